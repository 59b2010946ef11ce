"""Studies: the same training with one thing or another set differently, several seeds each, weighed side by side."""
