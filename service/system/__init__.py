"""Services of the interpreter and the operating system: random bytes, memory, turns of the event loop.

It knows nothing of predictions and imports no other room; every room may import it.
"""
