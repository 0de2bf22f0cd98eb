"""The services by name. Told apart from `servicecert_schemas`, whose import costs a third of a second, so that help is quick."""

SERVICES = ("intake", "issuer", "revoker", "notifier")
