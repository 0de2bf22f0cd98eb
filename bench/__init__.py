"""Benchmarks: the system's rates, compared with the machine's."""
