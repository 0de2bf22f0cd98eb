"""A replay: a service's topics are decided again, with nothing signed, mailed or published a second time."""
