"""The file of monitoring, ``tabento-monitoring.db``: counts by hour, labelled rows, the newest assessments.

In come what ``service/collector`` reads from the audit log. Out go slots and rows for the assessment, and the
assessment for what shows it. The file holds nothing that the log does not.
"""
