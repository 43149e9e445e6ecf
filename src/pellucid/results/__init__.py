"""Floor 0: what every result can do, and how it is written down."""
