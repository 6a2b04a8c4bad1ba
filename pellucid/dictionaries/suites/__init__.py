"""Many dictionaries from one pass: training, conversion, generalisation, and how features split."""
