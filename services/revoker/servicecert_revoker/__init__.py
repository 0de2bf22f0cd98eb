"""The revoker: it takes a request, publishes a CRL with the entry, and only then reports the certificate as revoked (I7)."""
