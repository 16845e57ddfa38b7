"""Evidence on a release: how the challenger compares with the champion on live traffic.

In come the traffic and the labelled rows of both models since the release began; out go differences with
intervals that are valid at every look, guardrails, and what the policy recommends.
"""
