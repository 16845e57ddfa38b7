"""What competes in a training."""
