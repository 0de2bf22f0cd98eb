"""The proposals in the database."""
