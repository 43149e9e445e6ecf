"""What every part adds to the decision directly."""
