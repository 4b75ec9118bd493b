"""Frozen extractors: pictures in, an embedding and layers of neurons out."""
