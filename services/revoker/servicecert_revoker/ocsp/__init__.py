"""The OCSP responder: a separate process without database and CA keys, which answers from a topic (D8)."""
