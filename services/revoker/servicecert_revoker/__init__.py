"""The revoker: a request in, a published CRL out, and only then is the certificate reported as revoked (I7)."""
