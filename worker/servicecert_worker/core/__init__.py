"""What a service is, and what follows from values alone: no input or output but what a file says."""
