"""The canary: a synthetic application through all stages of the test CA, again and again."""
