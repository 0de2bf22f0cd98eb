"""`make alarms`: faults in a running system that a real Prometheus watches; which alerts fire, and when."""
