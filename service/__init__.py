"""The prediction service: everything that the container ships. It imports nothing of training.

In comes the tag of a published model; out come predictions over HTTP and gRPC, each in the audit log.
"""
