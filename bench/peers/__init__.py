"""The same work by what others would take from the registries: django-ca, cfssl and step-ca, next to this system."""
