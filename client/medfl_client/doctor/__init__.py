"""What would go wrong later: site file, files, network and plan, each with what to do."""
