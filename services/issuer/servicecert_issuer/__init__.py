"""The issuer: an accepted application in, a certificate out, at most one for each (I3)."""
