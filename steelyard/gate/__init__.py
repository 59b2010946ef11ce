"""The gate: a version and the champion on the same test images, and what follows."""
