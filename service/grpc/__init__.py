"""The Open Inference Protocol over gRPC, served by each worker beside HTTP.

protocol.py   the protocol's messages and service, in a descriptor pool of their own
message.py    the messages <-> rows and predictions
status.py     an error as a gRPC status with its details
call.py       one call, as the door has it
methods.py    the service's methods
health.py     grpc.health.v1, which follows the worker's readiness
server.py     the server: where and as what it listens, how it stops
listening.py  what the supervising process finds out beforehand: whether port and certificate will do
"""
