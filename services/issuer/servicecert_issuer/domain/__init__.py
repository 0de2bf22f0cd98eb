"""Pure decisions: no input or output."""
