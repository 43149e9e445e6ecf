"""Values at any site for many texts."""
