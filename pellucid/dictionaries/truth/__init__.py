"""Held against known truth: what was recovered, absorbed, split; probes; metrics that track the truth."""
