"""Train, export and verify Temporal Fusion Transformers as bundles for tft-tensorrt."""

__version__ = "0.1.0"
