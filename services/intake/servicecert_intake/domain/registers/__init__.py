"""The national registers as a snapshot that applications are judged by."""
