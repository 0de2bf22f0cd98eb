"""What the checks are made from: asked of Kafka, PostgreSQL, web and mail servers, files and this machine."""

from servicecert_worker.storage import read_queries

QUERIES = read_queries(__package__)
