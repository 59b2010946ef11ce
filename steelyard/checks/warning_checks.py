"""Checks whose findings are warnings: what mostly is a mistake, and may be meant."""

from steelyard.checks.check import Check

# As they are read: files, boxes, classes, splits.
WARNINGS: dict[str, Check] = {
    "image-exif": Check(
        "warning",
        "images that EXIF turns",
        "They are used as shown, turned. The annotation does not say which way up it was drawn.",
        "See on the page whether the boxes fit; turn the pixels and remove the EXIF orientation to be sure.",
    ),
    "image-alpha": Check(
        "warning",
        "images with an alpha channel",
        "Training ignores transparency: what is hidden in a viewer is there for the model.",
        "Flatten the images onto the background that the camera would see.",
    ),
    "image-16bit": Check(
        "warning",
        "images of more than 8 bits a channel",
        "Training sees the upper 8 bits: dark scientific images become black.",
        "Scale the values to 8 bits yourself.",
    ),
    "image-cmyk": Check(
        "warning",
        "images in the colours of a printing press",
        "Viewers and the training turn CMYK into red, green and blue by different rules: the model sees other colours "
        "than you.",
        "Save them as RGB.",
    ),
    "image-small": Check(
        "warning",
        "images with a very short side",
        "A side under 32 px is less than one cell of the network's coarsest grid. Under 10 px training would pass over "
        "the image, so it is left out.",
        "See whether they are thumbnails of the images that you meant.",
    ),
    "image-aspect": Check(
        "warning",
        "images that are very long and narrow",
        "Scaled to a square of the training size, the short side keeps few pixels.",
        "Cut them into parts: fetch.tile.",
    ),
    "image-dark": Check(
        "warning", "images that are almost black", "Nothing can be learnt from them.", "Remove them, or expose them."
    ),
    "image-bright": Check(
        "warning", "images that are almost white", "Nothing can be learnt from them.", "Remove them, or expose them."
    ),
    "image-blank": Check(
        "warning",
        "images of a single colour",
        "A failed capture; with boxes on it, wrong labels.",
        "Remove them.",
    ),
    "box-beyond-edge": Check(
        "warning",
        "boxes that reach over the edge of their image",
        "They are clipped to the image. By more than 1 px it is no rounding.",
        "See whether the labels belong to these images.",
    ),
    "box-subpixel": Check(
        "warning",
        "boxes with a side under one pixel",
        "No picture shows a thing that small; it is a slip of the hand, or of a conversion.",
        "Remove them.",
    ),
    "box-whole-image": Check(
        "warning",
        "boxes that cover their whole image",
        "Often a class for the image rather than a box around a thing.",
        "See whether they are meant; a data set of such boxes is one for classification.",
    ),
    "box-duplicate": Check(
        "warning",
        "boxes that stand there twice",
        "Same class, same place. The second is left out.",
        "Remove them; two people may have annotated the same images.",
    ),
    "box-near-duplicate": Check(
        "warning",
        "pairs of boxes of one class at almost the same place",
        "They overlap by 90 % or more: mostly one thing that was annotated twice. Both are used; of two detections at "
        "one place one is dropped, so that the second box counts as missed.",
        "Look at them on the page, and remove one of each pair.",
    ),
    "box-two-classes": Check(
        "warning",
        "places that have boxes of two classes",
        "They overlap by 90 % or more. The same thing cannot be both; the model is taught to guess.",
        "Decide, and remove one box of each pair.",
    ),
    "class-without-box": Check(
        "warning",
        "classes without a box in a split",
        "Without one in train the class is never found; without one in test nobody knows how well it is.",
        "Add images, drop the class with fetch.drop, or change fetch.split.",
    ),
    "class-rare": Check(
        "warning",
        "classes with fewer than 10 boxes in train or 5 in test",
        "Too few to learn from or to score by.",
        "Add images, merge classes with fetch.rename, or change fetch.split.",
    ),
    "class-imbalance": Check(
        "warning",
        "classes that are far rarer than the most frequent one",
        "Below one box in a hundred of the most frequent class a model mostly learns that class.",
        "Add images of the rare classes, or merge classes with fetch.rename.",
    ),
    "class-shift": Check(
        "warning",
        "splits whose classes are distributed unlike train's",
        "The score then tells of other data than the training saw.",
        "Set fetch.split.by to stratified, or give images that were taken alike.",
    ),
    "boxes-crowded": Check(
        "warning",
        "images with more than 300 boxes",
        "So many detections are kept for an image as validate.max_det says, which comes as 300: the others count as "
        "missed.",
        "Raise validate.max_det, or cut the images: fetch.tile.",
    ),
    "backgrounds-many": Check(
        "warning",
        "images without a box in splits that are mostly of such",
        "More than half of the split shows nothing to find. A few backgrounds teach the model what to leave alone; "
        "so many slow it down, or were forgotten by the annotators.",
        "See whether they were annotated; choose fewer with fetch.include.",
    ),
    "object-tiny": Check(
        "warning",
        "boxes that are tiny at the training size",
        "With a mean side under 4 px at finetune.imgsz there is little to see; the finest grid of the network has "
        "cells of 8 px.",
        "Raise finetune.imgsz, or cut the images: fetch.tile.",
    ),
    "few-images": Check(
        "warning",
        "images in test are too few for a firm score",
        "With fewer than 43, the 95 % interval of mAP50 can reach further than 0.15 to both sides (0.98 over the root "
        "of their number), so that two models can hardly be told apart.",
        "Give test more images.",
    ),
}
