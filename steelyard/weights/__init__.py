"""Weights: loading them safely, telling them apart, saving them."""
