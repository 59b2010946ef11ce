"""Scores: detections against ground truth."""
