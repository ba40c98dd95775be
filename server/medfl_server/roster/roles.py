"""What a hospital does in a study."""

from typing import Literal

Role = Literal["train", "evaluate"]  # evaluate: it trains nothing, and only scores models
