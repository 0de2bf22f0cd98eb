"""Effects and servers: what reaches outside the process."""
