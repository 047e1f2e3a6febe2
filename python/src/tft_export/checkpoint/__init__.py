"""Reads a pytorch-forecasting checkpoint: its model, and the facts about it that the graph and the bundle
need."""
