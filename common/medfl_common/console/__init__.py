"""What the coordinator's and the hospital's console share: who may come in, and how pages live."""
