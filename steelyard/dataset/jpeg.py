"""What the marks of a JPEG file tell without decoding it: whether it is all there, and what decoding costs."""

import re

MOST_SCANS = 200
"""A progressive picture has about ten. Each costs a pass over all pixels, so that a small file can take hours."""

END = b"\xff\xd9"
SCAN = b"\xff\xda"
# FF and a zero is a pixel value, FF and D0 to D7 a mark within the picture, FF and FF a filler.
MARK = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])", re.DOTALL)


def has_end(data: bytes) -> bool:
    """Whether the picture has its end mark, at the end or before what was appended to it.

    A thumbnail's own end mark, inside a segment of the head, does not count. Decoders cannot tell:
    Pillow decodes a file whose second half is zeros without a word.

    Args:
        data: the whole file.
    """
    place = 2  # after the start mark
    while mark := MARK.search(data, place):
        if mark[0] == END:
            return True
        # All other marks begin a segment: two bytes of its length, these included, and what it holds.
        place = mark.end() + max(2, int.from_bytes(data[mark.end() : mark.end() + 2], "big"))
    return False


def count_scans(data: bytes) -> int:
    """How many scans a file has at most: those of thumbnails and of what was appended count as well.

    Args:
        data: the whole file.
    """
    return data.count(SCAN)
