"""What the command line calls for operators, and what metrics show."""
