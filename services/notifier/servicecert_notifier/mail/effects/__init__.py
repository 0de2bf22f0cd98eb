"""Acts on the world."""
