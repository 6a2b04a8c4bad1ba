"""Arguments with blanks: patterns, the templates made from them, and their building blocks."""
