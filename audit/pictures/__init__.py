"""From the bytes of a file to pixels, statistics and hashes, or to the reason why not."""
