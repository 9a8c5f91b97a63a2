"""Pictures resized to a square whatever their shape, as torchvision's Resize((size, size)) does with Pillow, bicubic and bilinear.

    pip install pillow==13.0.0
    python test/oracle/squash.py    # writes test/golden/squash.json: SHA-256 of the RGB bytes
"""
import hashlib
import json
import pathlib

import PIL
from PIL import Image

GOLDEN = pathlib.Path(__file__).parent.parent / "golden"
FILES = ["photos/cat.png", "photos/rocket.jpg", "preprocess/inputs/rgb_1000x37.png", "preprocess/inputs/rgb_240x700.png",
         "preprocess/inputs/rgb_97x61.png", "preprocess/inputs/gray_300x200.png", "preprocess/inputs/rgb_1x300.png"]

cases = []
for file in FILES:
    for size, interpolation in ((224, "bicubic"), (378, "bicubic"), (224, "bilinear"), (336, "bilinear")):
        image = Image.open(GOLDEN / file).convert("RGB")
        image = image.resize((size, size), Image.Resampling[interpolation.upper()])
        sha256 = hashlib.sha256(image.tobytes()).hexdigest()
        cases.append({"file": file, "size": size, "interpolation": interpolation, "sha256": sha256})
(GOLDEN / "squash.json").write_text(json.dumps({"pillow": PIL.__version__, "cases": cases}, indent=1) + "\n")
