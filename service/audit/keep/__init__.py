"""What keeps the log in bounds: how much it holds, how long, and that nothing is left of what was removed.

In comes the log's file and what is asked of it, out goes the same file with less in it.
"""
