"""What left, shown from the ledger: on the screen, as a page, as metrics."""
