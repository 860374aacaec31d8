"""Trained weights as ONNX graphs."""
