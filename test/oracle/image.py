"""Small pictures of every kind and the pixels that Pillow sees in them, for test/image/.

    pip install pillow==13.0.0 numpy
    python test/oracle/image.py          # writes test/golden/image-cases/

resize.json: the resize of random sizes, see the end.

cases.json: `versions`, and for each case the file, `size` and `rgb` (hex of `Image.open(file).convert("RGB")`), or `error`
where Pillow refuses; `oriented` is the same after `ImageOps.exif_transpose`, where it differs.
"""
import hashlib
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


def png(depth, color, width=7, height=5, extra=b"", interlaced=False, values=None, idat_crc=None, tail=b"", edit=None, cut=0):
    n = CHANNELS[color]
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
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
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
for color, name in ((2, "rgb"), (4, "la"), (6, "rgba")):
    for depth in (8, 16):
        files[f"png-{name}{depth}.png"] = png(depth, color)
        files[f"png-{name}{depth}-interlaced.png"] = png(depth, color, interlaced=True)
for depth in (1, 2, 4, 8):
    files[f"png-palette{depth}.png"] = png(depth, 3, extra=palette(1 << depth))
files["png-palette8-interlaced.png"] = png(8, 3, extra=palette(256), interlaced=True)
files["png-palette8-short.png"] = png(8, 3, extra=palette(100))
files["png-palette4-long.png"] = png(4, 3, extra=palette(30))
files["png-palette8-missing.png"] = png(8, 3)
# R34: the color under transparent pixels counts.
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


# Orientation, wherever Pillow's getexif looks for it.
def tiff(*entries, order="<"):
    """A TIFF structure of one directory; an entry is (tag, type, count, the four bytes of its value or offset)."""
    head = b"II*\0" if order == "<" else b"MM\0*"
    body = b"".join(struct.pack(order + "HHI", *entry[:3]) + entry[3] for entry in entries)
    return head + struct.pack(order + "IH", 8, len(entries)) + body + b"\0\0\0\0"


def short(value, order="<"):
    return (0x0112, 3, 1, struct.pack(order + "HH", value, 0))


def long(value, order="<"):
    return (0x0112, 4, 1, struct.pack(order + "I", value))


def segment(body, marker=0xE1):
    return bytes((0xFF, marker)) + struct.pack(">H", 2 + len(body)) + body


def xmp(value, element=False):
    field = f"<tiff:Orientation>{value}</tiff:Orientation>" if element else ""
    attribute = "" if element else f' tiff:Orientation="{value}"'
    space = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"'
    text = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {space}><rdf:Description{attribute}>{field}</rdf:Description></rdf:RDF></x:xmpmeta>'
    return text.encode()


NS = b"http://ns.adobe.com/xap/1.0/\0"
XMP = b"XML:com.adobe.xmp"
RAW = b"Raw profile type exif"
EXIF = b"Exif\0\0"
make = (0x010F, 2, 3, b"me\0\0")
turned_jpeg = saved(smooth(20, 12), "JPEG", quality=90)
no_jfif = turned_jpeg[:2] + turned_jpeg[20:]
orientations = {
    "xmp-attribute": segment(NS + xmp(6)),
    "xmp-element": segment(NS + xmp(8, True)),
    "xmp-twice": segment(NS + xmp(6)) + segment(NS + xmp(3)),
    "xmp-0": segment(NS + xmp(0)),
    "exif1-xmp6": segment(EXIF + tiff(short(1))) + segment(NS + xmp(6)),
    "exif9-xmp6": segment(EXIF + tiff(short(9))) + segment(NS + xmp(6)),
    "exif-without-xmp6": segment(EXIF + tiff(make)) + segment(NS + xmp(6)),
    "exif-long": segment(EXIF + tiff(long(6))),
    "exif-long-big": segment(EXIF + tiff(make, long(8, ">"), order=">")),
    "exif-swapped-magic": segment(EXIF + b"MM*\0" + tiff(short(6, ">"), order=">")[4:]),
    "exif-byte-xmp6": segment(EXIF + tiff((0x0112, 1, 1, b"\6\0\0\0"))) + segment(NS + xmp(6)),
    "exif-text-xmp6": segment(EXIF + tiff((0x0112, 2, 2, b"6\0\0\0"))) + segment(NS + xmp(6)),
    "exif-signed": segment(EXIF + tiff((0x0112, 8, 1, b"\6\0\0\0"))),
    "exif-rational": segment(EXIF + tiff((0x0112, 5, 1, struct.pack("<I", 26))) + struct.pack("<II", 6, 1)),
    "exif-half-rational": segment(EXIF + tiff((0x0112, 5, 1, struct.pack("<I", 26))) + struct.pack("<II", 13, 2)),
    "exif-float": segment(EXIF + tiff((0x0112, 11, 1, struct.pack("<f", 6)))),
    "exif-unknown-type-xmp6": segment(EXIF + tiff((0x0112, 99, 1, b"\3\0\0\0"))) + segment(NS + xmp(6)),
    "exif-unknown-type-then-3": segment(EXIF + tiff((0x0112, 99, 1, b"\6\0\0\0"), short(3))),
    "exif-twice": segment(EXIF + tiff(short(6), short(3))),
    "exif-count-2": segment(EXIF + tiff((0x0112, 3, 2, b"\6\0\3\0"))),
    "exif-count-0-xmp6": segment(EXIF + tiff((0x0112, 3, 0, b"\3\0\0\0"))) + segment(NS + xmp(6)),
    "exif-cut-xmp6": segment(EXIF + tiff(make, short(3))[:24]) + segment(NS + xmp(6)),
    "exif-no-directory": segment(EXIF + b"II*\0\xff\xff\0\0") + segment(NS + xmp(6)),
    "exif-empty-xmp6": segment(EXIF) + segment(NS + xmp(6)),
    "exif-split": segment(EXIF + tiff(make, short(6))[:20]) + segment(EXIF + tiff(make, short(6))[20:]),
    "exif-prefix-twice": segment(EXIF + EXIF + tiff(short(6))),
    "exif-not-tiff-xmp6": segment(EXIF + b"nothing of use") + segment(NS + xmp(6)),
}
for name, segments in orientations.items():
    files[f"jpeg-orient-{name}.jpg"] = no_jfif[:2] + segments + no_jfif[2:]
# Behind the frame header, before the scan.
scan = no_jfif.index(b"\xff\xda")
files["jpeg-orient-late.jpg"] = no_jfif[:scan] + segment(EXIF + tiff(short(6))) + no_jfif[scan:]


def raw_profile(data):
    return f"\nexif\n{len(data):8}\n".encode() + b"\n".join(data.hex().encode()[i : i + 72] for i in range(0, 2 * len(data), 72)) + b"\n"


def international(text, compressed=False):
    return XMP + b"\0" + bytes((compressed, 0)) + b"en\0\0" + (zlib.compress(text) if compressed else text)


tags = {
    "xmp": chunk(b"iTXt", international(xmp(6))),
    "xmp-compressed": chunk(b"iTXt", international(xmp(8, True), True)),
    "xmp-text": chunk(b"tEXt", XMP + b"\0" + xmp(6)),
    "xmp-ztxt": chunk(b"zTXt", XMP + b"\0\0" + zlib.compress(xmp(6))),
    "exif1-xmp6": chunk(b"iTXt", international(xmp(6))) + chunk(b"eXIf", tiff(short(1))),
    "exif-long": chunk(b"eXIf", tiff(long(6))),
    "exif-prefix": chunk(b"eXIf", EXIF + tiff(short(6))),
    "exif-text": chunk(b"tEXt", b"exif\0" + EXIF + tiff(short(6))),
    "raw": chunk(b"tEXt", RAW + b"\0" + raw_profile(EXIF + tiff(make, short(6)))),
    "raw-ztxt": chunk(b"zTXt", RAW + b"\0\0" + zlib.compress(raw_profile(tiff(make, short(8))))),
    "raw-and-exif": chunk(b"eXIf", tiff(short(3))) + chunk(b"tEXt", RAW + b"\0" + raw_profile(EXIF + tiff(short(6)))),
    "raw-twice": chunk(b"tEXt", RAW + b"\0" + raw_profile(tiff(short(3)))) + chunk(b"tEXt", RAW + b"\0" + raw_profile(tiff(short(6)))),
    "raw-damaged-zlib-xmp6": chunk(b"zTXt", RAW + b"\0\0damaged") + chunk(b"iTXt", international(xmp(6))),
    "raw-without-xmp6": chunk(b"tEXt", RAW + b"\0" + raw_profile(tiff(make))) + chunk(b"iTXt", international(xmp(6))),
    "app1-is-not-read": chunk(b"tEXt", b"Raw profile type APP1\0" + raw_profile(EXIF + tiff(short(6)))),
}
for name, extra in tags.items():
    files[f"png-orient-{name}.png"] = png(8, 2, extra=extra)
plain = png(8, 2)
files["png-orient-after-data.png"] = plain[:-12] + chunk(b"eXIf", tiff(short(6))) + plain[-12:]
still = saved(smooth(20, 12), "WEBP", lossless=True)[12:]
name, length = still[:4], struct.unpack("<I", still[4:8])[0]
picture = (name, still[8 : 8 + length])


def extended(flags, *chunks):
    return riff((b"VP8X", bytes((flags, 0, 0, 0)) + u24(19) + u24(11)), picture, *chunks)


files["webp-orient-xmp.webp"] = extended(4, (b"XMP ", xmp(6)))
files["webp-orient-exif1-xmp6.webp"] = extended(12, (b"EXIF", tiff(short(1))), (b"XMP ", xmp(6)))
files["webp-orient-exif-long.webp"] = extended(8, (b"EXIF", tiff(long(6))))
files["webp-orient-exif-prefix.webp"] = extended(8, (b"EXIF", EXIF + tiff(short(6))))
files["webp-orient-exif-twice.webp"] = extended(8, (b"EXIF", tiff(short(6))), (b"EXIF", tiff(short(3))))
files["webp-orient-not-announced.webp"] = extended(4, (b"EXIF", tiff(short(6))), (b"XMP ", xmp(3)))
files["webp-orient-simple.webp"] = riff(picture, (b"EXIF", tiff(short(6))))

# A trailer instead of the end marker, as in the panoramas of some phones.
trailer = b"\0\0\1\n\x0e\0\0\0Image_UTC_Data1500000000000SEFHk\0\0\0\1\0\0\0\0\0SEFT"
cut = saved(smooth(70, 40), "JPEG", quality=80)[:-2]
files["jpeg-trailer.jpg"] = cut + trailer
files["jpeg-trailer-grey.jpg"] = files["jpeg-grey.jpg"][:-2] + trailer
files["jpeg-trailer-restarts.jpg"] = files["jpeg-restarts.jpg"][:-2] + trailer
files["jpeg-trailer-segment.jpg"] = cut + segment(trailer, 0xE5)
files["jpeg-trailer-half.jpg"] = cut[: len(cut) - 300] + b"\xff\xe5" + trailer
# Sequential, but each component in a scan of its own: one gray block, of Huffman tables with one code each.
scans = b"\xff\xd8" + segment(b"\0" + b"\1" * 64, 0xDB) + segment(b"\x08\0\x08\0\x08\3\1\x11\0\2\x11\0\3\x11\0", 0xC0)
scans += b"".join(segment(bytes((kind, 1)) + b"\0" * 16, 0xC4) for kind in (0x00, 0x10))
scans += b"".join(segment(bytes((1, component, 0, 0, 63, 0)), 0xDA) + b"\x3f" for component in (1, 2, 3))
files["jpeg-scans.jpg"] = scans + b"\xff\xd9"
files["jpeg-trailer-scans.jpg"] = scans + trailer
files["jpeg-trailer-two-of-three-scans.jpg"] = scans[:-11] + trailer
files["jpeg-trailer-none.jpg"] = cut
files["jpeg-trailer-ff.jpg"] = cut + b"\xff"
files["jpeg-trailer-progressive.jpg"] = files["jpeg-progressive.jpg"][:-2] + trailer
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


# The resize of 200 random sizes: [width, height, target, hash of the crop with the corner rounded down, the same half-even].
def hashed(n):
    """The bytes of noise() in test/image/resample.test.ts."""
    i = numpy.arange(n, dtype=numpy.uint64)
    low = numpy.uint64(0xFFFFFFFF)
    hashes = i * numpy.uint64(2654435761) & low
    return ((hashes ^ hashes >> numpy.uint64(15)) * numpy.uint64(2246822519) & low) >> numpy.uint64(24)


def crop_hash(image, left, top, target):
    crop = image.crop((left, top, left + target, top + target))
    return hashlib.sha256(crop.tobytes()).hexdigest()[:16]


sizes = random.Random(13)
resizes = []
for n in range(200):
    target = (8, 32, 64, 224)[n % 4]
    width = sizes.randint(1, (60, 200, 400)[n % 3])
    height = max(1, 2 * width + sizes.randint(-6, 6)) if n % 2 else sizes.randint(1, 500)
    if n % 10 == 9:
        width, height = (sizes.randint(1, 4), sizes.randint(500, 9000))[:: sizes.choice((1, -1))]
        target = 8
    pixels = hashed(width * height * 3).astype("uint8").reshape(height, width, 3)
    short, long = min(width, height), max(width, height)
    resized = (target, int(target * long / short))[:: 1 if width <= height else -1]
    image = Image.fromarray(pixels).resize(resized, Image.Resampling.BICUBIC)
    floor = [(side - target) // 2 for side in resized]
    even = [round((side - target) / 2) for side in resized]
    resizes.append([width, height, target, crop_hash(image, *floor, target), crop_hash(image, *even, target)])
lines = ",\n".join(json.dumps(case) for case in resizes)
(OUT / "resize.json").write_text(f'{{"versions": {json.dumps(versions)},\n"cases": [\n{lines}\n]}}\n')
