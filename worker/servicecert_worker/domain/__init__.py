"""Pure: the authority's rules that more than one service decides by."""
