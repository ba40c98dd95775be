"""What would go wrong at the coordinator, each with what to do."""
