"""Pictures and labels: from a source to one folder in YOLO layout."""
