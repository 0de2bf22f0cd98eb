"""What the command line calls for operators, and the metrics."""
