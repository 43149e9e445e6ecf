"""Floor 3: who matters, by gradient and by measurement."""
