"""Steelyard: a pipeline for model weights. Nothing leaves the yard unweighed."""
