"""The CRLs of the CAs: planned, made, checked, published."""
