"""Training dictionaries on activations."""
