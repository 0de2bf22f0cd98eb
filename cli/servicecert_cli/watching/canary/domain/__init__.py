"""Pure: the stages of a run, and the verdicts on what each of them finds."""
