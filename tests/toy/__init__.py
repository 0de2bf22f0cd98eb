import gc

# As `servicecert` does for its own start.
gc.set_threshold(20_000, 20, 100)
