"""Effects: they do intents."""
