"""Text that a model writes, with edits at every step."""
