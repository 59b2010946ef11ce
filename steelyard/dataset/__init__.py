"""The data: from a source in some annotation format to one layout that training and scoring read.

A format is one file in ``formats/``; what is between them is images with boxes in px (``annotation.py``).
"""
