"""Which hospitals take part: their keys, and the certificates of the study."""
