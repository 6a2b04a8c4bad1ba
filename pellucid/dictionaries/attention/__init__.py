"""Dictionaries of attention outputs: by which head, from which token, and the induction-head question."""
