"""Weights: what they are (identity), reading and writing them, and where they came from."""
