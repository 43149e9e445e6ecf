"""Floor 4: sets of components, and how faithful they are."""
