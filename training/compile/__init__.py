"""Verified compilation.

In comes the champion's fitted pipeline; out come its ONNX graph and the verdict on whether the graph gives
the same answers as scikit-learn.
"""
