"""Other servers to compare the service with, each written as its documentation recommends.

In comes the same published model; out comes a server that answers the same rows.
"""
