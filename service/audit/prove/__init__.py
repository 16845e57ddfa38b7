"""What proves that the log is as it was written.

In comes the log's file, out goes what is wrong with it.
"""
