"""From any source to a proved model."""
