"""Mails as text and as bytes."""
