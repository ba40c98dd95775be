"""Show what left, from the ledger: on the screen, as a page, as metrics."""
