"""The registers that applications are judged by: read from files, held against what stands, published."""
