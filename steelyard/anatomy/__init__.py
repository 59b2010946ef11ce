"""What a weights file is made of, and how two of them differ; without torch, a piece of the file at a time."""
