"""The assessment for people: a screenful of text, and a page.

In comes an assessment. Out go texts; none of them has a figure or a verdict that the assessment has not.
"""
