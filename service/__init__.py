"""The prediction service: everything that the container ships, and nothing of training."""
