"""The run log as pages: report, model card, how the sites' data differ."""
