"""Room organisms."""
