"""The container image.

In come a commit, a published model and a base image; out come the bento, a labelled and reproducible image,
and its bill of materials.
"""
