"""The service in a Kubernetes cluster.

In come an image and settings; out come manifests rendered by kustomize, checked against schemas, and scripts
that roll them out and back.
"""
