"""What two operators of the authority want revoked."""
