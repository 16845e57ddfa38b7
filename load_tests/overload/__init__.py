"""Load beyond the capacity of the service.

In comes a running service; out come its goodput, rejections, latency, memory and recovery under overload, and
its throughput of single rows beside other requests.
"""
