"""One prediction's way through the service, from the bytes of a message to its result.

In come bodies and messages as they came over the wire, out go the calls of the model that answer them, or a
refusal that names what is wrong.
"""
