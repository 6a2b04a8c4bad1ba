"""Does a safety benchmark measure safety, and how well does an evaluation measure anything."""
