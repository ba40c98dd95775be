"""Images of virtual hospitals: folders, public data sets, phantoms, partitions."""
