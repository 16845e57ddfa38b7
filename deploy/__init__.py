"""Deployment.

In come a commit and a published model; out come an image with its bill of materials, Kubernetes manifests, a
monitoring stack, and a smoke test of a running service.
"""
