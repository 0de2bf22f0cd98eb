"""The responder's server, its keys and its topics."""
