"""Room dictionaries."""
