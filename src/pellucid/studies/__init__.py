"""Floor 6: several analyses side by side."""
