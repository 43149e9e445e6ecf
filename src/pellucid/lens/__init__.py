"""Floor 3: what is read and written where."""
