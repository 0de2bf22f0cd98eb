"""Pure rules of the authority that more than one service uses."""
