"""Find what would go wrong at the coordinator; say what to do."""
