"""Offline replay: what another model would have answered to the recorded requests.

In come the answered records and outcomes of an audit log, and a candidate; out goes a verdict with figures.
"""
