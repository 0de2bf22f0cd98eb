"""`servicecert doctor`: `domain/` judges, `facts/` asks, `examine` does both for all checks at the same time."""
