"""A whole system on one machine, started and stopped: for the demonstration, `servicecert up`, the tests and the measurements."""
