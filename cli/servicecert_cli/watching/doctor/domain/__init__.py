"""Pure: from facts to what was found, why it matters and what to do. Each `check_…` is one check."""
