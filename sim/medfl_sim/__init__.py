"""Research on one machine: virtual hospitals with the code of the real ones."""

import medfl_common  # noqa: F401  sets Flower's environment before flwr is imported
