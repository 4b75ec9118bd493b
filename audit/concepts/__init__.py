"""Concepts: parts of activations that recur, found without labels, by labels or by a user's own examples."""
