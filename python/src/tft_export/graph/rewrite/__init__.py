"""The network written with fewer, larger operations; each file is one rewrite of one part of it.

Every rewrite computes the same function as the pytorch-forecasting module that it replaces, and is tested
against that module. Linear maps are composed in float64 and stored in float32. Tensors are
time-major, [steps, batch, features], as ONNX's LSTM takes them.
"""
