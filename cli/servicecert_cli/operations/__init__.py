"""What operators do, without its words on a terminal: audit, erase, propose, select, restate, make an authority."""
