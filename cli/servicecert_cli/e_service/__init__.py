"""The simulated e-service: its applications, its customers, the events it publishes, and the customer's page."""
