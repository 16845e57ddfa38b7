"""``make bench-hostile``: what a single request can do to the others.

bodies.py    the collection of hostile bodies, by transport
models.py    the two models that are served: four features, and 450 with a text
watcher.py   the process that asks /livez and looks at the memory meanwhile
sending.py   one request, and the time from its last byte to its answer
report.py    what was to hold, and the page
"""
