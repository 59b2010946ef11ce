"""What is said about one version: a page for a browser, a model card."""
