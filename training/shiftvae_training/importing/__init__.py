"""Conversion of pyroVED and AtomAI models to model files: ``weights -> ForeignModel -> graphs -> .svae``.

`pyroved` and `atomai` read the weights, `graphs` and `decoder` write what `ForeignModel` computes as ONNX, and
`import_model` compares the two before it writes.
"""
