"""Load tests: what clients do, what must hold meanwhile, and the command that measures it."""
