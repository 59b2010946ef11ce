"""The record: runs, versions, and the proof of what made them."""
