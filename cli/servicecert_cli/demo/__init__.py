"""`servicecert demo`: four applications all the way to certificates, and one revocation, narrated as it happens."""
