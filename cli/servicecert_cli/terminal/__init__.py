"""What a person at a terminal reads and presses: tables, JSON, the states of a case, Ctrl-C."""
