"""The way to the coordinator: address, proxy, TLS, and Flower's SuperNode under supervision."""
