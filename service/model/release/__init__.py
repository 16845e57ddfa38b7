"""A release: what is served and how, as data.

In come a release's file and requests' keys; out go the release, the model that a key is assigned to, and the
differences between two contracts. Files are read and changed in ``service/releases``.
"""
