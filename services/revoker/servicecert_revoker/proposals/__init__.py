"""Revocations that one operator of the authority proposes and another one confirms."""
