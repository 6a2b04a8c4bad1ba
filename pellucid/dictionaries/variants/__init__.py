"""The kinds of dictionary: one small file each."""
