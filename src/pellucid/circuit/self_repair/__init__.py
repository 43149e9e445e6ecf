"""What steps in once a circuit is replaced."""
