"""The commands of ``python -m service.releases``.

In come the arguments of a person; out go changed releases, what the workers decided, and what is in force.
"""
