"""The revoker's tables, and its SQL statements by name."""

from servicecert_worker.storage import read_queries

QUERIES = read_queries(__package__)
