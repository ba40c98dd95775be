"""The hospital's side: everything that may see a pixel or a patient."""

import medfl_common  # noqa: F401  sets Flower's environment before flwr is imported
