"""Kafka's administration: topics, rights and lag, for operators and whoever watches."""
