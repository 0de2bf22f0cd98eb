"""The runtime of every service: turns, effects, deadlines, parking, the relay."""
