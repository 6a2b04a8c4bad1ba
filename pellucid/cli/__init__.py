"""The command line: every command mirrors one Python function, which its help names."""
