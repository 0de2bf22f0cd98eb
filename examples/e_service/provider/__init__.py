"""A small provider of OpenID Connect with invented people, in the place of a national one. Never for real people."""
