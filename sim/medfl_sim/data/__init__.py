"""Where virtual hospitals get their images: folders, public data sets, phantoms, partitions."""
