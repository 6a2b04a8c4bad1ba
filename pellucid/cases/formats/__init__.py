"""The languages in which safety cases are exchanged: one file for each."""
