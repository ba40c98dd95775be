"""From replies to the next weights: admission, strategies, running statistics, outliers."""
