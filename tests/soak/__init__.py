"""`make soak`: a constant load for long, with faults, outages, rolling restarts and upgrades in it."""
