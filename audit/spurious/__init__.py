"""What a label can be read off besides the object: the numerical core of the analysis of spurious features."""
