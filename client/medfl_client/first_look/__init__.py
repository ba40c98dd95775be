"""A first look at a hospital's folder and label file, and questions whose answers are site.yaml."""
