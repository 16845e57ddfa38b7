"""Monitoring: drift and live quality, from what the service received and the outcomes that came back.

In come the counts and labelled rows that ``service/collector`` keeps. Out goes one assessment, which the
API, the command, the gauges and the report show.
"""
