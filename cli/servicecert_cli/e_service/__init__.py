"""The pretend e-service: applications as its form has them, its customers, what it publishes, and the customer's page."""
