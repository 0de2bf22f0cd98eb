"""Input and output: files, keys, network."""
