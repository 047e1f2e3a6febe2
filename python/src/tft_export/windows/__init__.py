"""Turns histories of measurements into windows of a model's raw inputs."""
