"""Where broker and database are, and clients of both for commands: opened and closed in order, each fault one sentence."""
