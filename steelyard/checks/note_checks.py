"""Checks whose findings are notes: what is worth a look."""

from steelyard.checks.check import Check

# As they are read: files, boxes, classes, splits.
NOTES: dict[str, Check] = {
    "image-grey": Check(
        "note",
        "grey images among coloured ones",
        "They are used, as three equal channels.",
        "See whether the model will meet such images.",
    ),
    "image-blurred": Check(
        "note",
        "images far less sharp than the others",
        "Out of focus, moved, enlarged or heavily compressed; or of something that has no edges.",
        "See whether what is to be found can be made out.",
    ),
    "image-in-no-split": Check(
        "note",
        "images that are in none of the published splits",
        "The source's lists leave them out, so that they are neither trained on nor scored.",
        "Add them to a list, or set fetch.split.by to fraction.",
    ),
    "image-large": Check(
        "note",
        "images more than four times as large as the training size",
        "Scaled down to finetune.imgsz, most of their pixels are lost.",
        "Cut them into parts: fetch.tile.",
    ),
    "image-suffix": Check(
        "note",
        "images of another kind than their name says",
        "Such as a PNG file called .jpg. It is read all the same.",
        "Rename them.",
    ),
    "image-animated": Check(
        "note",
        "images of several frames or pages",
        "Only the first is used.",
        "Save the frames that you mean as images.",
    ),
    "background-without-label": Check(
        "note",
        "images without a label file",
        "In YOLO's layout that means: nothing to see in it. They are used as backgrounds.",
        "See whether somebody forgot to annotate them.",
    ),
    "crowd-left-out": Check(
        "note",
        "crowds, which are left out",
        "COCO's iscrowd marks a region of many things, which is no box around one.",
        "Nothing, or annotate the things one by one.",
    ),
    "duplicate": Check(
        "note",
        "copies, byte for byte, of an image in the same split",
        "They count double.",
        "Remove one of each pair.",
    ),
    "near-duplicate": Check(
        "note",
        "images nearly the same as another of their split",
        "They teach little more than one of them, and make a test look larger than it is.",
        "Keep one of each pair, or take frames further apart.",
    ),
    "label-outlier": Check(
        "note",
        "boxes unlike the others of their class",
        "Their size or form is more than six deviations from the median; some are wrong labels.",
        "Look at them on the page.",
    ),
}
