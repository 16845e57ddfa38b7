"""Receipts: files that prove single records, or many, without the log.

In come a connection to the log and a request id. Out go JSON documents, which the program in ``verifier.py``
checks without this package.
"""
