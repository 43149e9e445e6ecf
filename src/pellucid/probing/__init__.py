"""What can be read off values inside a model, and what the figures are worth."""
