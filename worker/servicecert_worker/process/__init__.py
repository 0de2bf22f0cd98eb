"""A service as a process."""
