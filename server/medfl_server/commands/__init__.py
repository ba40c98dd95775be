"""Commands that are more than a call: how a study runs, and how hospitals come to it."""
