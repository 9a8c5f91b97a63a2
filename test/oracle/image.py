"""Small pictures of every kind and the pixels that Pillow sees in them, for test/image/.

    pip install pillow==13.0.0 numpy
    python test/oracle/image.py          # writes test/golden/image-cases/

cases.json: `versions`, and for each case the file, `size` and `rgb` (hex of `Image.open(file).convert("RGB")`), or `error`
where Pillow refuses; `oriented` is the same after `ImageOps.exif_transpose`, where it differs.
"""
import io
import json
import pathlib
import random
import struct
import zlib

import numpy
import PIL
from PIL import Image, ImageOps, features

OUT = pathlib.Path(__file__).parent.parent / "golden" / "image-cases"
random.seed(4)
files = {}


# PNG, written by hand: Pillow writes neither all kinds nor interlaced files.
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def chunk(kind, body, crc=None):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body) if crc is None else crc)


def rows(samples, depth):
    """One row of samples, packed, behind filter type 0."""
    if depth == 16:
        return b"\0" + b"".join(struct.pack(">H", s) for s in samples)
    bits = "".join(format(s, f"0{depth}b") for s in samples)
    bits += "0" * (-len(bits) % 8)
    return b"\0" + bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))


def png(depth, colour, width=7, height=5, extra=b"", interlaced=False, values=None, idat_crc=None, tail=b"", edit=None, cut=0):
    n = CHANNELS[colour]
    top = (1 << depth) - 1
    picture = [[[random.randint(0, top) for _ in range(n)] for _ in range(width)] for _ in range(height)]
    if values:
        for i, value in enumerate(values):
            picture[i // width][i % width] = list(value)
    raw = b""
    for x0, y0, dx, dy in ADAM7 if interlaced else [(0, 0, 1, 1)]:
        for y in range(y0, height, dy):
            line = [s for x in range(x0, width, dx) for s in picture[y][x]]
            if line:
                raw += rows(line, depth)
    packed = zlib.compress(raw, 9)
    if edit:
        packed = edit(packed)
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    half = len(packed) // 2  # two IDAT chunks
    data = chunk(b"IDAT", packed[:half], idat_crc) + chunk(b"IDAT", packed[half:], idat_crc)
    whole = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + data + chunk(b"IEND", b"") + tail
    return whole[: len(whole) - cut]


def palette(count):
    return chunk(b"PLTE", bytes(random.randint(0, 255) for _ in range(3 * count)))


for depth in (1, 2, 4, 8, 16):
    files[f"png-grey{depth}.png"] = png(depth, 0)
    files[f"png-grey{depth}-interlaced.png"] = png(depth, 0, interlaced=True)
deep = [(v,) for v in (0, 1, 127, 128, 254, 255, 256, 257, 511, 32768, 65279, 65535)]
files["png-grey16-low.png"] = png(16, 0, values=deep)
files["png-grey16-key.png"] = png(16, 0, values=deep, extra=chunk(b"tRNS", b"\0\1"))
files["png-grey8-key.png"] = png(8, 0, extra=chunk(b"tRNS", b"\0\1"))
for colour, name in ((2, "rgb"), (4, "la"), (6, "rgba")):
    for depth in (8, 16):
        files[f"png-{name}{depth}.png"] = png(depth, colour)
        files[f"png-{name}{depth}-interlaced.png"] = png(depth, colour, interlaced=True)
for depth in (1, 2, 4, 8):
    files[f"png-palette{depth}.png"] = png(depth, 3, extra=palette(1 << depth))
files["png-palette8-interlaced.png"] = png(8, 3, extra=palette(256), interlaced=True)
files["png-palette8-short.png"] = png(8, 3, extra=palette(100))
files["png-palette4-long.png"] = png(4, 3, extra=palette(30))
files["png-palette8-missing.png"] = png(8, 3)
# R34: the colour under transparent pixels counts.
files["r34-rgba.png"] = png(8, 6, values=[(200, 10, 10, 0)])
files["r34-palette.png"] = png(8, 3, extra=palette(256) + chunk(b"tRNS", b"\0"), values=[(0,), (1,)])
files["r34-key.png"] = png(8, 2, extra=chunk(b"tRNS", b"\0\xc8\0\x0a\0\x0a"), values=[(200, 10, 10)])
files["png-rgb16-key.png"] = png(16, 2, extra=chunk(b"tRNS", b"\0\1\0\1\0\1"), values=[(1, 1, 1)])
# Damage that Pillow does and does not mind.
files["png-data-sum-wrong.png"] = png(8, 2, idat_crc=0)
files["png-palette-sum-wrong.png"] = png(8, 3, extra=chunk(b"PLTE", bytes(768), 0))
files["png-no-end.png"] = png(8, 2, cut=12)
files["png-no-last-sum.png"] = png(8, 2, cut=14)
files["png-data-short.png"] = png(8, 2, cut=40)
files["png-half.png"] = png(8, 2, cut=80)
files["png-zlib-short.png"] = png(8, 2, edit=lambda z: z[:-30])
files["png-tail.png"] = png(8, 2, tail=b"more")
files["png-unknown-chunks.png"] = png(8, 2, extra=chunk(b"prVt", b"x") + chunk(b"tEXt", b"a\0b"))
files["png-0x0.png"] = png(8, 2, width=0, height=0)


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def noise(width, height, mode="RGB"):
    n = len(mode)
    return Image.frombytes(mode, (width, height), bytes(random.randint(0, 255) for _ in range(width * height * n)))


def smooth(width, height):
    y, x = numpy.mgrid[0:height, 0:width]
    return Image.fromarray(numpy.stack([x * 255 // width, y * 255 // height, (x + y) * 4 % 256], 2).astype("uint8"))


def exif(orientation):
    data = Image.Exif()
    data[0x0112] = orientation
    return data.tobytes()


# R02: animations. Frame one counts.
frames = [Image.new("RGB", (20, 10), c) for c in ("red", "lime", "blue")]
more = {"save_all": True, "append_images": frames[1:]}
files["r02-animated.webp"] = saved(frames[0], "WEBP", lossless=True, **more)
files["r02-animated.png"] = saved(frames[0], "PNG", **more)
files["r02-animated-default.png"] = saved(frames[0], "PNG", default_image=True, **more)
files["webp-animated-lossy.webp"] = saved(noise(20, 10), "WEBP", quality=60, **more)
files["webp-animated-alpha.webp"] = saved(noise(21, 11, "RGBA"), "WEBP", quality=60, save_all=True, append_images=[noise(21, 11, "RGBA")])


def riff(*chunks):
    body = b"WEBP" + b"".join(k + struct.pack("<I", len(b)) + b + b"\0" * (len(b) % 2) for k, b in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def u24(value):
    return struct.pack("<I", value)[:3]


inner = saved(noise(10, 4), "WEBP", lossless=True)[12:]
files["webp-animated-inset.webp"] = riff(
    (b"VP8X", b"\x02\0\0\0" + u24(19) + u24(9)),
    (b"ANIM", b"\x01\x02\x03\xff\0\0"),
    (b"ANMF", u24(2) + u24(1) + u24(9) + u24(3) + u24(100) + b"\0" + inner),
)
files["webp-lossless.webp"] = saved(noise(13, 9), "WEBP", lossless=True)
files["webp-lossy.webp"] = saved(smooth(45, 31), "WEBP", quality=70)
files["webp-lossy-alpha.webp"] = saved(noise(13, 9, "RGBA"), "WEBP", quality=70, exact=True)
hidden = noise(13, 9, "RGBA")
hidden.putpixel((0, 0), (200, 10, 10, 0))
files["r34-exact.webp"] = saved(hidden, "WEBP", lossless=True, exact=True)
files["webp-exif6.webp"] = saved(smooth(20, 12), "WEBP", lossless=True, exif=exif(6))
files["png-exif6.png"] = saved(smooth(20, 12), "PNG", exif=exif(6))

for orientation in range(1, 9):
    files[f"jpeg-exif{orientation}.jpg"] = saved(smooth(20, 12), "JPEG", quality=90, exif=exif(orientation))
thumbnail = saved(smooth(8, 8), "JPEG", quality=50)
body = saved(smooth(33, 17), "JPEG", quality=80)
app = b"\xff\xe5" + struct.pack(">H", 2 + len(thumbnail)) + thumbnail
files["jpeg-thumbnail.jpg"] = body[:2] + app + body[2:]
files["jpeg-thumbnail-cut.jpg"] = (body[:2] + app + body[2:])[:-2]
files["jpeg-tail.jpg"] = body + b"more\xff\xd8\xff"
files["jpeg-restarts.jpg"] = saved(smooth(70, 40), "JPEG", quality=80, restart_marker_blocks=2)
files["jpeg-progressive.jpg"] = saved(smooth(70, 40), "JPEG", quality=80, progressive=True)
files["jpeg-progressive-cut.jpg"] = files["jpeg-progressive.jpg"][:-40]
files["jpeg-rgb.jpg"] = saved(smooth(33, 17), "JPEG", quality=90, keep_rgb=True)
files["jpeg-grey.jpg"] = saved(smooth(33, 17).convert("L"), "JPEG", quality=80)
for sampling, name in ((0, "444"), (1, "422"), (2, "420")):
    files[f"jpeg-{name}.jpg"] = saved(smooth(35, 19), "JPEG", quality=80, subsampling=sampling)
files["r24-cmyk.jpg"] = saved(Image.new("CMYK", (16, 16), (200, 30, 60, 40)), "JPEG", quality=95)
# R17: one pixel wide.
for width, height in ((1, 20000), (20000, 1), (3, 60000)):
    files[f"r17-{width}x{height}.png"] = saved(Image.new("RGB", (width, height), (10, 200, 30)), "PNG", optimize=True)

OUT.mkdir(parents=True, exist_ok=True)
cases = []
for name, data in files.items():
    (OUT / name).write_bytes(data)
    case = {"file": name}
    cases.append(case)
    try:
        image = Image.open(io.BytesIO(data))
        pixels = image.convert("RGB")
    except Exception as error:
        case["error"] = f"{type(error).__name__}: {error}".split(" <")[0]
        continue
    case["mode"] = image.mode
    case["size"] = pixels.size
    if pixels.width * pixels.height > 10000:
        case["uniform"] = numpy.asarray(pixels).reshape(-1, 3)[0].tolist()
        continue
    case["rgb"] = pixels.tobytes().hex()
    turned = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    if turned.tobytes() != pixels.tobytes():
        case["oriented"] = {"size": turned.size, "rgb": turned.tobytes().hex()}

codecs = {name: features.version(name) for name in ("jpg", "webp", "zlib")}
versions = {"pillow": PIL.__version__, "numpy": numpy.__version__, **codecs}
lines = ",\n".join(json.dumps(case) for case in cases)
(OUT / "cases.json").write_text(f'{{"versions": {json.dumps(versions)},\n"cases": [\n{lines}\n]}}\n')
