"""``make bench-hostile``: the effect of a single hostile request on other requests.

In come hostile bodies for two models; out come the time to each rejection, the latency of /livez meanwhile,
and the memory of the service.
"""
