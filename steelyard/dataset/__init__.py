"""The data: from a source in some annotation format to one layout that training and scoring read.

A format is one file with ``recognise`` and ``read`` (``voc.py``, ``yolo.py``) and one line in
``build.FORMATS``.
"""
