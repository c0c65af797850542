"""Training: optimisers, data sets and the two trainers."""
