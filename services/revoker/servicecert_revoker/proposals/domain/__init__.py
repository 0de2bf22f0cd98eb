"""The decisions, without input or output."""
