"""What leaves cite, what their evidence says, and whether it is still about the present objects."""
