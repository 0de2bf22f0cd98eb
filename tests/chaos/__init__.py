"""A chaos test: applications of all types while everything is killed at random, and the check of the outcome."""
