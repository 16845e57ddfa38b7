"""Locust users for ``make load``.

In comes a running service; out come requests as typical clients send them, over HTTP and gRPC, and an exit
code that states whether the objectives were met.
"""
