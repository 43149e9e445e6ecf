"""What is written where: lenses on one prompt."""
