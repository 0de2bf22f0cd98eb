"""The national registers, as an in-memory snapshot."""
