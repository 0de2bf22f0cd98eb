"""The registers that applications are checked against: read from files, compared with the topic, published."""
