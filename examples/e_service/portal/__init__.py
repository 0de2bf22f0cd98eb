"""A small e-service: accounts, applications, the state of each case, and revocations, for customers with a browser.

It imports nothing of the service certificate workers but the package of the events, as another team would.
"""
