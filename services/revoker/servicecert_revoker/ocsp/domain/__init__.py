"""Pure: what follows from what, with no input or output."""
