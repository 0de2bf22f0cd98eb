"""Where proposals are kept."""
