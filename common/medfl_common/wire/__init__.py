"""What crosses the network: tasks and results as records, their codecs, hashes, signatures."""
