"""Floor 0: numbers in, numbers out."""
