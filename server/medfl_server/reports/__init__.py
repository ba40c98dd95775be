"""Pages from the run log: report, model card, differences of the sites' data."""
