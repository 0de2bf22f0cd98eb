"""Pure functions, without input or output."""
