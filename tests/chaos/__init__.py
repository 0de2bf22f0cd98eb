"""Applications of all types while everything is killed at random, and the proof that nothing came of it but what should."""
