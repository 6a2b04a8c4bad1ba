"""Which loops run the sparse step: compiled on a CPU, fused on a GPU, torch's own as the reference."""
