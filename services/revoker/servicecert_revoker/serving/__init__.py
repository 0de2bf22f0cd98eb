"""Answering over HTTP: which connections are admitted, and the server of CRLs."""
