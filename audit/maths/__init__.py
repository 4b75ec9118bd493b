"""Distances, histograms, neighbours, intervals: the mathematics that analyses share."""
