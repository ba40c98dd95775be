"""Is the site's data ready for a study? Counts, checks, and the page that shows them."""
