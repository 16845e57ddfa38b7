"""The champion as an ONNX graph, and the proof that the graph gives the same answers."""
