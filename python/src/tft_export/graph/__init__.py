"""Writes the network as an ONNX graph: raw inputs in, forecasts in the target's unit out."""
