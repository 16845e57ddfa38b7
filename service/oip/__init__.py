"""The Open Inference Protocol, as KServe, Triton and MLServer speak it; the part that HTTP and gRPC share.

    datatypes.py  what a tensor's values can be
    tensors.py    one tensor: its values from JSON, from raw bytes, from typed contents
    inputs.py     tensors -> rows of the contract
    outputs.py    predictions -> tensors
    body.py       the message as HTTP has it: JSON, with raw tensors behind it where they are wanted
    model.py      the model as clients know it: name, versions, metadata
    words.py      an error in one text
    shown.py      recorded messages as the history shows them

https://github.com/kserve/open-inference-protocol has the protocol, with its Binary Tensor Data extension.
gRPC's messages are in ``service/grpc``.
"""
