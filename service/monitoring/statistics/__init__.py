"""The statistics of drift: tests, effect sizes and the adjustment for many comparisons, on counts.

In come counts of a reference and of one or more windows, as arrays whose last axis has the bins. Out go one
figure for each window: NaN where the counts do not allow one.
"""
