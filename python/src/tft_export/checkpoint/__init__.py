"""Reads a pytorch-forecasting checkpoint: its model, and what the graph and the bundle need to know of it."""
