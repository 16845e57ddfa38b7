"""One prediction's way from a request to its result.

In come validated rows with their deadlines, out go the calls of the model that answer them.
"""
