"""Functions of the interpreter and the operating system: random bytes, memory, steps of the event loop.

In come calls of any package of the service. It contains nothing about predictions.
"""
