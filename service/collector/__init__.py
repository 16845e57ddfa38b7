"""The collector: a process beside the workers that reads the audit log and keeps the file of monitoring.

In come the records of the log. Out goes ``tabento-monitoring.db`` with counts, labelled rows and the
assessment.
"""
