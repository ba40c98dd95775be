"""A plan from a few questions: what hospitals counted, what follows from it, and the file."""
