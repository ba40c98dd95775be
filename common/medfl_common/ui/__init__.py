"""Screen and pages, the same for all three commands."""
