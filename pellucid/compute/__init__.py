"""Room compute."""
