"""Flower's SuperLink in this process, and the one public port in front of it."""
