"""The study's rounds on one machine, without a network."""
