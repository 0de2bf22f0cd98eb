"""Pure: verdicts on what is measured."""
