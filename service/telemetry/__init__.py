"""What the service says of itself.

In come the counts and gauges of the workers, out goes the page that a monitoring system reads.
"""
