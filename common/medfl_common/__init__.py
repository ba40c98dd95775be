"""The words that hospitals and coordinator share: plans, errors, records, metrics, models."""

import os

# Before anything imports flwr, which has telemetry and a look for updates on by default.
os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
os.environ["FLWR_DISABLE_UPDATE_CHECK"] = "1"

__version__ = "0.1.0"
