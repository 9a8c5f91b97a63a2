"""AVIF and HEIC files and what Pillow makes of them, for test/image/heif.test.ts.

    apt-get install libavif-bin                        # avifenc, which writes 10 bits and turns
    pip install pillow==13.0.0 pillow-heif==1.8.1 numpy
    python test/oracle/heif.py                         # writes test/golden/heif/

files.bin holds the files one after the other. cases.json: `versions`, and for each file its name, offset and length, the `size`
of `Image.open(file).convert("RGB")`, `pixels` (the first 16 digits of the SHA-256 of its bytes), and `upright`: both of
`ImageOps.exif_transpose(..)`. `tolerance`: the most levels by which the decoders of the npm packages differ, with the pixels
themselves in pixels.bin, one file after the other.
"""
import hashlib
import io
import json
import pathlib
import struct
import subprocess
import tempfile

import numpy
import PIL
import pillow_heif
from PIL import Image, ImageOps, features

pillow_heif.register_heif_opener()
OUT = pathlib.Path(__file__).parent.parent / "golden" / "heif"
OUT.mkdir(exist_ok=True)
noise = numpy.random.default_rng(18)
files = {}
tolerances = {}


def picture(width, height, bands=3, rough=10):
    coarse = noise.integers(0, 256, (height // 7 + 2, width // 7 + 2, bands), dtype=numpy.uint8)
    planes = [Image.fromarray(coarse[:, :, b]).resize((width, height), Image.Resampling.BICUBIC) for b in range(bands)]
    soft = numpy.stack([numpy.asarray(plane) for plane in planes], axis=2).astype(int)
    rows = (soft + noise.integers(-rough, rough + 1, soft.shape)).clip(0, 255).astype(numpy.uint8)
    return Image.fromarray(rows if bands > 1 else rows[:, :, 0], {1: "L", 3: "RGB", 4: "RGBA"}[bands])


def save(name, image, kind, tolerance=0, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    files[name] = out.getvalue()
    tolerances[name] = tolerance


def avifenc(name, *options, tolerance=0, image=None):
    with tempfile.TemporaryDirectory() as folder:
        source, target = f"{folder}/a.png", f"{folder}/a.avif"
        (image or picture(37, 29)).save(source)
        subprocess.run(["avifenc", "--min", "20", "--max", "30", *options, source, target], check=True, capture_output=True)
        files[name] = pathlib.Path(target).read_bytes()
        tolerances[name] = tolerance


def with_turn(data, turns):
    """The HEIC with a property `irot` at its primary item, as phones write it."""

    def boxes(start, end):
        while start < end:
            size, kind = struct.unpack(">I4s", data[start : start + 8])
            yield kind.decode(), start, start + size
            start += size

    def inside(path, start=0, end=len(data)):
        kind, *rest = path.split("/")
        at, stop = next((a, b) for found, a, b in boxes(start, end) if found == kind)
        return (at, stop) if not rest else inside("/".join(rest), at + (12 if kind == "meta" else 8), stop)

    meta, iprp, ipco, ipma, iloc = (inside(f"meta{rest}") for rest in ("", "/iprp", "/iprp/ipco", "/iprp/ipma", "/iloc"))
    index = len(list(boxes(ipco[0] + 8, ipco[1]))) + 1
    version, flags, count = data[ipma[0] + 8], data[ipma[0] + 11], struct.unpack(">I", data[ipma[0] + 12 : ipma[0] + 16])[0]
    assert (version, flags & 1) == (0, 0)
    primary = data[inside("meta/pitm")[0] + 12 :][:2]
    entry = ipma[0] + 16
    while data[entry : entry + 2] != primary:
        entry += 3 + data[entry + 2]
    after = entry + 3 + data[entry + 2]
    out = bytearray(data)
    out[entry + 2] += 1
    for at, grown in ((meta[0], 10), (iprp[0], 10), (ipco[0], 9), (ipma[0], 1)):
        out[at : at + 4] = struct.pack(">I", struct.unpack(">I", out[at : at + 4])[0] + grown)
    # Where items are: version 0, with a base of 4 bytes that counts from the file's beginning.
    version, sizes, items = out[iloc[0] + 8], bytes(out[iloc[0] + 12 : iloc[0] + 14]), struct.unpack(">H", out[iloc[0] + 14 : iloc[0] + 16])[0]
    assert (version, sizes) == (0, b"\x44\x40")
    at = iloc[0] + 16
    for _ in range(items):
        out[at + 4 : at + 8] = struct.pack(">I", struct.unpack(">I", out[at + 4 : at + 8])[0] + 10)
        at += 10 + 8 * struct.unpack(">H", out[at + 8 : at + 10])[0]
    assert ipco[1] <= after
    return bytes(out[: ipco[1]] + struct.pack(">I4sB", 9, b"irot", turns) + out[ipco[1] : after] + bytes([index]) + out[after:])


turned = Image.Exif()
turned[0x0112] = 6
for subsampling in ("4:4:4", "4:2:2", "4:2:0", "4:0:0"):
    for span in ("full", "limited"):
        if (subsampling, span) == ("4:0:0", "limited"):
            continue
        save(f"avif-{subsampling.replace(':', '')}-{span}", picture(37, 29), "AVIF", subsampling=subsampling, range=span)
save("avif-quality-20", picture(61, 43), "AVIF", quality=20)
save("avif-alpha", picture(33, 27, 4), "AVIF")
save("avif-gray", picture(33, 27, 1), "AVIF")
save("avif-animated", picture(33, 27), "AVIF", save_all=True, append_images=[picture(33, 27)])
save("avif-exif-6", picture(33, 27), "AVIF", exif=turned)
avifenc("avif-grid", "--grid", "2x2", image=picture(128, 128))
for turns in (1, 2, 3):
    avifenc(f"avif-turn-{turns}", "--irot", str(turns))
for axis in (0, 1):
    avifenc(f"avif-mirror-{axis}", "--imir", str(axis))
    avifenc(f"avif-turn-1-mirror-{axis}", "--irot", "1", "--imir", str(axis))
for depth in (10, 12):
    avifenc(f"avif-{depth}-bits", "-d", str(depth), "-y", "420", tolerance=5)
for chroma in (444, 422, 420):
    save(f"heic-{chroma}", picture(37, 29), "HEIF", tolerance=0 if chroma == 444 else 4, quality=90, chroma=chroma)
save("heic-lossless", picture(36, 28), "HEIF", quality=-1)
save("heic-alpha", picture(33, 27, 4), "HEIF", quality=90)
save("heic-gray", picture(33, 27, 1), "HEIF", quality=90)
save("heic-exif-6", picture(33, 27), "HEIF", quality=90, exif=turned)
save("heic-turn-1", picture(36, 28), "HEIF", quality=90)
files["heic-turn-1"] = with_turn(files["heic-turn-1"], 1)
save("heic-quality-40", picture(61, 43), "HEIF", tolerance=16, quality=40)

# XMP counts where neither properties nor EXIF say anything.
xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
upright, named = Image.Exif(), Image.Exif()
upright[0x0112] = 1
named[0x010F] = "a camera"
save("avif-xmp-6", picture(33, 27), "AVIF", xmp=xmp)
save("avif-xmp-6-exif-without", picture(33, 27), "AVIF", xmp=xmp, exif=named)
save("avif-xmp-6-exif-6", picture(33, 27), "AVIF", xmp=xmp, exif=turned)
save("heic-xmp-6", picture(36, 28), "HEIF", quality=-1, xmp=xmp)
with tempfile.TemporaryDirectory() as folder:
    pathlib.Path(f"{folder}/xmp").write_bytes(xmp)
    pathlib.Path(f"{folder}/exif").write_bytes(upright.tobytes())
    avifenc("avif-xmp-6-exif-1", "--xmp", f"{folder}/xmp", "--exif", f"{folder}/exif")
    avifenc("avif-xmp-6-turn-1", "--xmp", f"{folder}/xmp", "--irot", "1")

cases, exact, offset = [], [], 0
for name, data in files.items():
    def described(image):
        image = image.convert("RGB")
        return [*image.size, hashlib.sha256(image.tobytes()).hexdigest()[:16]]

    image = Image.open(io.BytesIO(data))
    width, height, digest = described(image)
    case = {"name": name, "offset": offset, "length": len(data), "size": [width, height], "pixels": digest}
    case["upright"] = described(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    if tolerances[name]:
        case["tolerance"] = tolerances[name]
        exact.append(Image.open(io.BytesIO(data)).convert("RGB").tobytes())
    cases.append(case)
    offset += len(data)

(OUT / "files.bin").write_bytes(b"".join(files.values()))
(OUT / "pixels.bin").write_bytes(b"".join(exact))
versions = {
    "Pillow": PIL.__version__,
    "libavif": features.version("avif"),
    "pillow-heif": pillow_heif.__version__,
    "libheif": pillow_heif.libheif_version(),
    "avifenc": subprocess.run(["avifenc", "--version"], capture_output=True, text=True).stdout.split()[1],
}
lines = ",\n    ".join(json.dumps(case, separators=(",", ":")) for case in cases)
(OUT / "cases.json").write_text(f'{{\n  "versions": {json.dumps(versions)},\n  "cases": [\n    {lines}\n  ]\n}}\n')
print(len(cases), "files,", offset, "bytes")
