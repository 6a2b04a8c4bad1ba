"""What an argument amounts to: three-valued logic, the least fixed point, the verdict and its reasons."""
