"""A real deployment on loopback: processes for a coordinator and hospitals."""
