"""Counting: rows and predictions become the vectors of counts of their slots.

In come the values of rows, a list for each feature. Out go vectors as ``layout.py`` lays them out, and the
bins of rows for segments.
"""
