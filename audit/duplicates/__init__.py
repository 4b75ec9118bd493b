"""Which pictures are copies of each other: candidates, the second look, and groups."""
