"""What every service runs on: turns, acts, deadlines, parking, the relay."""
