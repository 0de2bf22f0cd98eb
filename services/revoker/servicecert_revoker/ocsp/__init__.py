"""The OCSP responder: a process of its own, with neither database nor CA keys, that answers from a topic what a published CRL says (D8)."""
