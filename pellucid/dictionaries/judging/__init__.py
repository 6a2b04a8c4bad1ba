"""How good a dictionary is: fidelity, cost, architectures side by side, and how sure that is."""
