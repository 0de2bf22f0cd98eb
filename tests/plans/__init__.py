"""Every SQL statement of the project, large tables, and what of them a statement's plan reads whole."""
