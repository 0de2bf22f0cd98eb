"""`servicecert demo`: four applications all the way to certificates, and one certificate's revocation, told as it happens."""
