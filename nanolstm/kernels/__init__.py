"""What compiled steps call: vector arithmetic, products of packed matrices, threads. Imported only once Numba is used."""
