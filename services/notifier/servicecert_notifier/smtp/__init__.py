"""Handing mails over to a mail server."""
