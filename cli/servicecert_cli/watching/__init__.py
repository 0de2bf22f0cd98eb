"""Who watches the system from outside: what can be wrong, the doctor, the exporter of lag, and the canary."""
