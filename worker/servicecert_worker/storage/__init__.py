"""PostgreSQL: connections, migrations, and the worker's statements by name."""

from .queries import read_queries

QUERIES = read_queries(__package__)
