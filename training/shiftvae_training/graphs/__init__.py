"""ONNX graphs of a trained model: `EncoderWeights` and decoder in, serialised graphs out.

`encoder_graph` is the complete encoder for any ONNX runtime, `runtime_graphs` the parts that this project's runtime
uses, `decoder_graph` the decoder.
"""
