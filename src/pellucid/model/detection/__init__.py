"""Finding the parts of a model by what they compute."""
