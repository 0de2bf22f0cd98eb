"""Building, checking, publishing and serving CRL files."""
