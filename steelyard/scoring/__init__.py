"""Scoring: what weights find in pictures, and how right it is."""
