"""One message from the coordinator, answered."""
