"""The OpenAPI document, made from the table of routes and the types that validate requests.

In come the messages of the served model's contract; out goes the document, with an example of every answer.
It contains nothing that requires a key to read.
"""
