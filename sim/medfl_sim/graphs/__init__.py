"""The researcher's own network as data: read from torch.export, written as a graph."""
