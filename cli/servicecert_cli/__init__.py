"""The command `servicecert`: everything an operator, a developer of the e-service or a newcomer does with the services."""
