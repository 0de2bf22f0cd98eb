"""Operators' commands, and metrics."""
