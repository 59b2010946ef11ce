"""Checks whose findings are errors: what is wrong beyond doubt, and what makes a score a lie."""

from steelyard.checks.check import Check

# As they are read: files, boxes, classes, splits.
ERRORS: dict[str, Check] = {
    "image-empty": Check(
        "error",
        "image files of zero bytes",
        "A copy or an upload broke off before its first byte. The image is left out.",
        "Copy the file again, or remove it and its labels.",
    ),
    "image-unreadable": Check(
        "error",
        "image files that cannot be read",
        "The file is damaged, or is no image: nothing can be trained on it.",
        "Replace the file, or leave it out with fetch.include.",
    ),
    "image-truncated": Check(
        "error",
        "images that break off",
        "The file ends before its picture does, as a half-copied one; the rest would be grey.",
        "Copy the file again, or leave it out with fetch.include.",
    ),
    "image-huge": Check(
        "error",
        "images of more pixels than are safe to decode",
        "Above 179 million pixels Pillow takes an image for a decompression bomb. It is left out.",
        "Cut the image into smaller ones.",
    ),
    "file-name": Check(
        "error",
        "file names that cannot be used",
        "A name with line breaks, other unprintable characters or bytes that are not UTF-8 breaks lists of files "
        "and is not the same name on other machines. The file is left out.",
        "Rename the file.",
    ),
    "path-outside": Check(
        "error",
        "paths that lead out of the source",
        "An annotation names a file by an absolute path or by '..'. Nothing outside the source is opened.",
        "Mend the path in the annotation; if you did not write it, distrust the source.",
    ),
    "label-unreadable": Check(
        "error",
        "annotations that cannot be understood",
        "The boxes of the image are not known, so the image is left out rather than taken for an empty one.",
        "Mend the annotation, or remove it together with its image.",
    ),
    "label-without-image": Check(
        "error",
        "annotations or list entries without an image",
        "The image was removed, renamed or never copied; so the data set is not the one that was annotated.",
        "Add the images, remove the annotations, or choose others with fetch.include.",
    ),
    "image-without-label": Check(
        "error",
        "images that no annotation speaks of",
        "In this format each image has an annotation, also one without a thing in it. Taken as empty, it would "
        "teach the model to overlook what it shows. The image is left out.",
        "Annotate the image (without boxes where there is nothing to see), or leave it out with fetch.include.",
    ),
    "size-mismatch": Check(
        "error",
        "images of another size than their annotation says",
        "The boxes were drawn on another version of the image and would lie elsewhere. The image is left out.",
        "Annotate the image as it is, or bring back the one that was annotated.",
    ),
    "exif-against-boxes": Check(
        "error",
        "images that EXIF turns, annotated as they lie in the file",
        "The image is shown turned by a quarter, its annotation has width and height of the unturned one: the "
        "boxes would lie elsewhere. The image is left out.",
        "Turn the pixels and remove the EXIF orientation, or annotate the image as it is shown.",
    ),
    "box-outside": Check(
        "error",
        "boxes outside their image",
        "No part of the box is in the picture. It is left out.",
        "Mend the labels; often width and height, or two images, were swapped.",
    ),
    "box-inverted": Check(
        "error",
        "boxes whose right edge is left of the left one, or lower edge above the upper one",
        "Which corner is wrong cannot be known. The box is left out.",
        "Mend the labels; often x and y, or corner and size, were swapped.",
    ),
    "box-zero-area": Check(
        "error",
        "boxes without area",
        "A click instead of a drag. It teaches nothing and can never be found. The box is left out.",
        "Remove the box, or accept that it is left out: check.accept: [box-zero-area].",
    ),
    "class-unknown": Check(
        "error",
        "boxes of a class that is not in the list",
        "The class has no place among the model's outputs. The box is left out, so what it shows is taught as "
        "background.",
        "Add the class to fetch.classes, rename it with fetch.rename, or drop it with fetch.drop.",
    ),
    "image-in-two-splits": Check(
        "error",
        "images that are in two splits by their name",
        "What is tested must not be trained on. The image is kept in one of them: test before val before train.",
        "Mend the lists of the source, or set fetch.split.by to fraction.",
    ),
    "duplicate-across-splits": Check(
        "error",
        "copies, byte for byte, of an image in another split",
        "A leak: what is tested was trained on, and the score is too good.",
        "Remove one of each pair, or set fetch.split.by to group so that they stay together.",
    ),
    "near-duplicate-across-splits": Check(
        "error",
        "images nearly the same as one in another split",
        "A leak: frames of one video or two copies of one photograph are in train and in val or test, and the score "
        "is too good.",
        "Set fetch.split.by to group with a key that keeps such images together, remove one of each pair, or look at "
        "the pairs and accept them: check.accept: [near-duplicate-across-splits].",
    ),
}
