"""Addresses and clients of the broker and the database, for commands. Each error is one sentence."""
