"""Edits of photos as people make them, for the threshold of `edgeclip duplicates` (test/soak/duplicates.soak.ts).

python edits.py PHOTOS OUT: of each photo in PHOTOS, files OUT/EDIT/NAME.png or .jpg, and OUT/original. Pillow 13.
"""
import io
import sys
from pathlib import Path

from PIL import Image, ImageOps


def quality(q):
    def edit(image):
        out = io.BytesIO()
        image.save(out, "JPEG", quality=q)
        return out.getvalue()

    return edit


def png(change):
    def edit(image):
        out = io.BytesIO()
        change(image).save(out, "PNG")
        return out.getvalue()

    return edit


def resized(part):
    return png(lambda image: image.resize([max(1, round(side * part)) for side in image.size], Image.Resampling.LANCZOS))


def cropped(part, corner):
    def change(image):
        width, height = [round(side * part) for side in image.size]
        left, top = (0, 0) if corner else ((image.width - width) // 2, (image.height - height) // 2)
        return image.crop((left, top, left + width, top + height))

    return png(change)


EDITS = {
    "original": png(lambda image: image),
    "JPEG, quality 90": quality(90),
    "JPEG, quality 75": quality(75),
    "JPEG, quality 50": quality(50),
    "JPEG, quality 30": quality(30),
    "resized to 50 %": resized(0.5),
    "resized to 25 %": resized(0.25),
    "cropped to 90 %, center": cropped(0.9, corner=False),
    "cropped to 90 %, corner": cropped(0.9, corner=True),
    "flipped": png(ImageOps.mirror),
}

photos, out = map(Path, sys.argv[1:])
for name, edit in EDITS.items():
    (out / name).mkdir(parents=True)
    for path in sorted(photos.glob("*.*g")):
        image = Image.open(path).convert("RGB")
        (out / name / path.stem).write_bytes(edit(image))
