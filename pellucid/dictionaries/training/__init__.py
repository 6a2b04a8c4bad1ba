"""The one training loop, what it is fed with, and what it minimises."""
