"""Functions of the interpreter and the operating system: random bytes, memory, steps of the event loop.

Nothing here concerns predictions. It imports no other package of the service; every package may import it.
"""
