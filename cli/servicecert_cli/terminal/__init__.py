"""Input and output of a terminal: tables, JSON, the states of a case, Ctrl-C."""
