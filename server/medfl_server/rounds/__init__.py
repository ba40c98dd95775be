"""The round loop, and the collection of one round's replies."""
