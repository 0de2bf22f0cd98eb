"""The revoker: a request in, an entry on a published CRL out, and only then the word "revoked" (I7)."""
