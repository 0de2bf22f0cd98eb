"""`servicecert lag --serve`: what waits for the services, for Prometheus, whether they run or not."""
