"""What a paper on a study needs: from the run what it knows, and a place for what it does not."""
