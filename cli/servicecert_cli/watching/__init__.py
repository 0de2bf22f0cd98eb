"""Processes that watch the system from outside: the exporter of lag, and the canary."""
