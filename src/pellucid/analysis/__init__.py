"""Floor 5: the one call, its result, and what it says in words."""
