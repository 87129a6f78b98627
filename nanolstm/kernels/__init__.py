"""What compiled steps call: elementary functions, products of packed matrices, threads."""
