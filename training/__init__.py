"""Training: a labelled table goes in, a verified model in the BentoML store comes out."""
