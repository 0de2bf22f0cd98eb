"""What the database knows of CRLs."""
