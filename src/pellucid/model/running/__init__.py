"""Reading and writing in a forward pass, with plain hooks."""
