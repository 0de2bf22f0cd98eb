"""The audit: all decisions, in hash chains that show every change (B6)."""
