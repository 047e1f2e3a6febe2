"""Compares a bundle's forecasts with PyTorch's, with naive ones, and between precisions."""
