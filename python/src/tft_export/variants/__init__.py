"""Precision variants of a bundle's graph: FP16 and INT8, strongly typed, and how their accuracy is judged.

`half` and `quantize` write the graphs, `emulate` computes them on a CPU with the rounding that a GPU would
do, `sensitivity` finds what must stay in a higher precision, `derive` puts them together.
"""
