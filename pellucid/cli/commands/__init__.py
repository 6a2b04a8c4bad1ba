"""One file a command group; each imports what it runs only when it runs."""
