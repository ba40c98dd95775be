"""The coordinator's side: it sees updates and counts, never images."""

import medfl_common  # noqa: F401  sets Flower's environment before flwr is imported
