"""Where heads look, and what they do."""
