"""Trains the default model on recorded and simulated machines."""
