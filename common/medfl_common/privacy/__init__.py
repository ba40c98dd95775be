"""Arithmetic of privacy: accounting, secret random streams, masks. It reads no plan and no data."""
