"""How good a dictionary is: fidelity, truth where it is known, geometry, and how sure that is."""
