"""Functions for the operators' command line, and metrics."""
