"""How the service runs in a cluster: kustomize manifests, and what renders, checks and rolls them out."""
