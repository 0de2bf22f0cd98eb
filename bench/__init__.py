"""What the system does, against what the machine can do at most."""
