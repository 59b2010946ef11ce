"""Annotation formats: each one file with ``recognise``, ``read`` and ``write``, whose form is :class:`Format`.

Own code, since the library for this moves boxes: supervision 0.31.2 reads VOC with xmin and ymin one less
and the other two as they are, so that a box without area gets one; it writes VOC in whole px, keeps all in
32 bits, and has no splits.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from steelyard.dataset.annotation import AnnotatedImage, Annotations


class Format(Protocol):
    """What the module of a format has."""

    def recognise(self, folder: Path) -> bool:
        """Whether a folder looks like it."""

    def read(self, folder: Path, include: Sequence[str], classes: Sequence[str]) -> Annotations:
        """Read a folder; what is wrong with single files becomes problems.

        Args:
            folder: of the source.
            include: patterns of image file names to use; empty: all.
            classes: names in the order of their numbers, where the format has numbers only.

        Raises:
            DatasetError: the source as a whole cannot be understood.
        """

    def write(self, images: Sequence[AnnotatedImage], classes: Sequence[str], folder: Path) -> None:
        """Write copies of the images and their boxes, as the tools of this format read them.

        Args:
            images: with boxes in px.
            classes: names in the order of their numbers.
            folder: an empty folder.
        """
