"""What a study tells of persons, for who must answer for it: from the run, and what is missing."""
