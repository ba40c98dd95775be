"""Find what would go wrong later in site file, files, network and plan; say what to do."""
