"""Dictionaries on disk: our own layout and those of other programs, one file each."""
