"""The tables of CRLs."""
