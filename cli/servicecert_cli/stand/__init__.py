"""A whole system on one machine: for the demo, `servicecert up`, tests and benchmarks."""
