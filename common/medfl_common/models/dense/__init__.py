"""The networks that a segmentation can name, one file per family."""
