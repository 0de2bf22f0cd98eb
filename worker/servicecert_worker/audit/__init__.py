"""What was done, in a chain that shows where it was changed (B6)."""
