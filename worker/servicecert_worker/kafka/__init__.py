"""Kafka as the worker uses it."""
