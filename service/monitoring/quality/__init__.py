"""Live quality: figures of labelled predictions, with intervals that are valid however often one looks.

In come arrays of labelled and decided rows, the windows of counts, and the training profile. Out go the parts
``LiveQuality`` and ``Decisions`` of the assessment. Nothing here reads a file or a clock.
"""
