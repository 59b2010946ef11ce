"""What is wrong with single images, and which are unlike the rest."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from steelyard.checks.pixels import Pixels
from steelyard.checks.report import Example, Findings
from steelyard.dataset.annotation import AnnotatedImage

LEAST_SIDE_PX = 32  # the cells of the network's coarsest grid
MOST_ASPECT = 5.0
LARGE = 4  # times the training size
ALMOST_ALL = 0.995  # share of the pixels; a few bright ones do not make a picture
LEAST_SPREAD = 4  # grey levels; less is the noise of a JPEG of one colour
BLURRED = 0.5  # of the median sharpness, and
FAR_OFF = 6.0  # standard deviations from it, robust
FEWEST_TO_COMPARE = 30
SUFFIXES = {
    "BMP": (".bmp",),
    "JPEG": (".jpg", ".jpeg"),
    "MPO": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}


class Look(NamedTuple):
    """What is compared between images."""

    name: str
    is_grey: bool
    sharpness: float


def check_image(image: AnnotatedImage, pixels: Pixels, imgsz: int, findings: Findings) -> Look | None:
    """Judge one image.

    Args:
        image: its size and name.
        pixels: what decoding it told.
        imgsz: training size, px.
        findings: is added to.

    Returns:
        What it looks like, for comparisons; None where there is nothing to see.
    """

    def find(check: str, detail: str) -> None:
        findings.add(check, Example(file=image.origin, detail=detail))

    if pixels.fault:
        find(pixels.fault, pixels.detail)
        return None
    short, long = sorted((image.width, image.height))
    size = f"{image.width} x {image.height} px"
    if short < LEAST_SIDE_PX:
        find("image-small", size)
    if long > MOST_ASPECT * short:
        find("image-aspect", size)
    if long > LARGE * imgsz:
        find("image-large", size)
    if pixels.orientation not in (0, 1):
        find("image-exif", f"EXIF orientation {pixels.orientation}")
    if pixels.has_alpha:
        find("image-alpha", pixels.mode)
    if pixels.bits > 8:
        find("image-16bit", f"{pixels.bits} bits")
    if pixels.mode == "CMYK":
        find("image-cmyk", pixels.mode)
    if pixels.is_animated:
        find("image-animated", pixels.kind)
    if image.path.suffix.lower() not in SUFFIXES.get(pixels.kind, ()):
        find("image-suffix", f"is {pixels.kind}")
    if pixels.spread < LEAST_SPREAD:
        find("image-blank", "")
        return None
    if pixels.dark > ALMOST_ALL:
        find("image-dark", f"{pixels.dark:.1%} of it")
        return None
    if pixels.bright > ALMOST_ALL:
        find("image-bright", f"{pixels.bright:.1%} of it")
        return None
    return Look(image.origin, pixels.is_grey, pixels.sharpness)


def compare_images(looks: Sequence[Look], findings: Findings) -> None:
    """Grey images among coloured ones, and those that are far less sharp than the others."""
    grey = [look.name for look in looks if look.is_grey]
    if len(grey) < len(looks):
        for name in grey:
            findings.add("image-grey", Example(file=name))
    if len(looks) < FEWEST_TO_COMPARE:
        return
    # Sharpness is a ratio and lies about as far above its median as below when seen as a logarithm.
    logs = np.log([max(look.sharpness, 1e-6) for look in looks])
    below = np.median(logs) - logs
    spread = 1.4826 * np.median(np.abs(below))
    for place in np.argsort(-below, kind="stable"):
        share = float(np.exp(-below[place]))
        if share > BLURRED or below[place] < FAR_OFF * spread:
            break
        findings.add("image-blurred", Example(file=looks[place].name, detail=f"{share:.0%} as sharp as the median"))
