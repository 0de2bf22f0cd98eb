"""The work of operators' commands, without terminal output."""
