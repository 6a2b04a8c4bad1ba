"""Room circuits."""
