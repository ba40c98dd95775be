"""Looks at the machine: checks of the doctors, certificates, Prometheus metrics."""
