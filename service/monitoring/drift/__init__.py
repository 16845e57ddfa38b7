"""Drift: whether the columns of the newest windows differ from the training table, and how.

In come the windows of counts and the layout with its profile. Out goes a ``ColumnDrift`` for each
comparison: the values of each feature, its missing values and unknown categories, the predicted labels and
their confidence.
"""

from service.monitoring.drift.assessing import assess_drift as assess_drift
