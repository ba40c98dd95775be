"""The study plan: its keys, ranges and rules, read strictly from YAML."""
