"""The part of the Open Inference Protocol that HTTP and gRPC share.

In come input tensors and the JSON messages of HTTP; out go rows of the contract, and predictions as tensors.
See https://github.com/kserve/open-inference-protocol; gRPC's messages are in ``service/grpc``.
"""
