"""Small PNGs of every kind, and what Pillow sees in them, for test/image/png.test.ts.

    pip install pillow==13.0.0
    python test/oracle/png.py          # writes test/golden/png/

files.bin: the files, one behind the other. cases.json: `versions`, and for each file its name, `offset` and `length` there, `size`
in pixels, and `pixels`: the beginning of the SHA-256 of `Image.open(file).convert("RGB")`. Files are written by hand: Pillow
writes neither all kinds nor interlaced files.
"""
import hashlib
import io
import json
import pathlib
import random
import struct
import zlib

import PIL
from PIL import Image, features

OUT = pathlib.Path(__file__).parent.parent / "golden" / "png"
random.seed(18)
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
NAMES = {0: "gray", 2: "rgb", 3: "palette", 4: "la", 6: "rgba"}
KINDS = [(c, d) for c, depths in ((0, (1, 2, 4, 8, 16)), (2, (8, 16)), (3, (1, 2, 4, 8)), (4, (8, 16)), (6, (8, 16))) for d in depths]
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
cases = {}


def chunk(kind, body, crc=None):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body) if crc is None else crc)


def paeth(a, b, c):
    p = a + b - c
    return min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]


def filtered(kind, row, above, pixel):
    out = bytearray([kind])
    for i, x in enumerate(row):
        a = row[i - pixel] if i >= pixel else 0
        b = above[i]
        c = above[i - pixel] if i >= pixel else 0
        out.append((x - (0, a, b, (a + b) // 2, paeth(a, b, c))[kind]) & 255)
    return bytes(out)


def packed(samples, depth):
    if depth == 16:
        return b"".join(struct.pack(">H", s) for s in samples)
    bits = "".join(format(s, f"0{depth}b") for s in samples)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))


def data(color, depth, width, height, interlaced=False, filters=(0, 1, 2, 3, 4), values=None):
    """Filtered rows: noise, slopes and flat parts in turn."""
    n, top = SAMPLES[color], (1 << depth) - 1
    step = random.randint(1, 9)
    picture = [
        [[(random.randint(0, top), (x * step + y * 3 + k * 50) * top // 255 & top, top // 3)[(x // 5 + y // 3) % 3] for k in range(n)] for x in range(width)]
        for y in range(height)
    ]
    for i, value in enumerate(values or []):
        picture[i // width][i % width] = list(value)
    raw = b""
    pixel = max(1, n * depth // 8)
    for x0, y0, dx, dy in ADAM7 if interlaced else [(0, 0, 1, 1)]:
        above = None
        for y in range(y0, height, dy):
            line = [s for x in range(x0, width, dx) for s in picture[y][x]]
            if not line:
                continue
            row = packed(line, depth)
            raw += filtered(random.choice(filters), row, above or bytes(len(row)), pixel)
            above = row
    return raw


def deflated(raw, level=6, strategy=zlib.Z_DEFAULT_STRATEGY, bits=15, memory=8):
    z = zlib.compressobj(level, zlib.DEFLATED, bits, memory, strategy)
    return z.compress(raw) + z.flush()


def split(stream, sizes):
    """IDAT chunks of these sizes in turn."""
    out, at, i = b"", 0, 0
    while at < len(stream):
        size = sizes[i % len(sizes)]
        out += chunk(b"IDAT", stream[at : at + size])
        at += size
        i += 1
    return out


def png(color, depth, width, height, body, interlaced=False, before=b"", end=chunk(b"IEND", b"")):
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    palette = chunk(b"PLTE", random.randbytes(3 << depth)) if color == 3 and b"PLTE" not in before else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + palette + before + body + end


def add(name, file):
    assert name not in cases, name
    cases[name] = file


for color, depth in KINDS:
    for interlaced in (False, True):
        for width, height in ((1, 1), (9, 7), (32, 18), (random.randint(2, 33), random.randint(2, 33))):
            raw = data(color, depth, width, height, interlaced)
            stream = deflated(raw, random.choice((0, 1, 6, 9)), random.choice((0, 0, zlib.Z_FIXED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE)))
            body = split(stream, random.choice(([9999], [40], [97, 0, 60], [100, 1])))
            name = f"{NAMES[color]}{depth}{'-interlaced' * interlaced}-{width}x{height}"
            if name not in cases:
                add(name, png(color, depth, width, height, body, interlaced))

for side in range(1, 34):
    for width, height in ((side, 3), (2, side)):
        color, depth = random.choice(KINDS)
        interlaced = random.random() < 0.5
        body = split(deflated(data(color, depth, width, height, interlaced)), [9999])
        cases[f"side-{width}x{height}"] = png(color, depth, width, height, body, interlaced)

for color, depth in ((0, 8), (0, 16), (2, 8), (6, 8), (2, 16), (6, 16)):
    for kind in range(5):
        body = split(deflated(data(color, depth, 21, 6, filters=(kind,))), [9999])
        add(f"filter{kind}-{NAMES[color]}{depth}", png(color, depth, 21, 6, body))

transparent = {"gray1": (0, 1, b"\0\1"), "gray8": (0, 8, b"\0\7"), "gray16": (0, 16, b"\1\0"), "rgb8": (2, 8, b"\0\1\0\2\0\3"), "rgb16": (2, 16, b"\1\0\2\0\3\0")}
for name, (color, depth, key) in transparent.items():
    n = SAMPLES[color]
    value = [int.from_bytes(key[2 * i : 2 * i + 2], "big") for i in range(n)]
    body = split(deflated(data(color, depth, 5, 4, values=[value])), [9999])
    add(f"key-{name}", png(color, depth, 5, 4, body, before=chunk(b"tRNS", key)))
for depth in (1, 2, 4, 8):
    body = split(deflated(data(3, depth, 11, 4)), [9999])
    palette = chunk(b"PLTE", random.randbytes(3 << depth))
    add(f"alpha-palette{depth}", png(3, depth, 11, 4, body, before=palette + chunk(b"tRNS", random.randbytes(1 << depth))))
deep = [(v,) for v in (0, 1, 127, 128, 254, 255, 256, 257, 511, 32768, 65279, 65535)]
for interlaced in (False, True):
    add(f"gray16-low{'-interlaced' * interlaced}", png(0, 16, 12, 3, split(deflated(data(0, 16, 12, 3, interlaced, values=deep)), [9999]), interlaced))

large = data(2, 8, 97, 61)
for level in range(10):
    add(f"level{level}", png(2, 8, 97, 61, split(deflated(large, level), [1000])) if level % 3 == 0 else png(2, 8, 33, 9, split(deflated(data(2, 8, 33, 9), level, memory=1), [9999])))
for bits in range(9, 15):
    add(f"window{bits}", png(2, 8, 33, 33, split(deflated(data(2, 8, 33, 33, filters=(0, 1)), 9, bits=bits), [9999])))

rgb = data(2, 8, 13, 8)
stream = deflated(rgb)
add("more-data", png(2, 8, 13, 8, split(deflated(rgb + bytes(5000)), [9999])))
add("more-bytes", png(2, 8, 13, 8, split(stream + b"more", [9999])))
add("no-sum", png(2, 8, 13, 8, split(stream[:-4], [9999])))
add("chunk-sum-wrong", png(2, 8, 13, 8, chunk(b"IDAT", stream, 0)))
add("no-end", png(2, 8, 13, 8, split(stream, [9999]), end=b""))
add("chunks-of-1", png(2, 8, 13, 8, split(stream, [1])))
add("empty-chunks", png(2, 8, 13, 8, chunk(b"IDAT", b"") * 20 + split(stream, [9, 0, 0]) + chunk(b"IDAT", b"")))
indices = split(deflated(data(3, 8, 13, 8)), [9999])
add("palette-late", png(3, 8, 13, 8, indices + chunk(b"PLTE", bytes(range(1, 250))), before=chunk(b"vpAg", b"PLTE")))
add("palette-short", png(3, 8, 13, 8, indices, before=chunk(b"PLTE", random.randbytes(30))))
add("palette-odd", png(3, 4, 13, 8, split(deflated(data(3, 4, 13, 8)), [9999]), before=chunk(b"PLTE", random.randbytes(30 * 3 + 0))))

listed, packed_files = [], b""
for name, file in cases.items():
    image = Image.open(io.BytesIO(file)).convert("RGB")
    pixels = hashlib.sha256(image.tobytes()).hexdigest()[:16]
    listed.append({"name": name, "offset": len(packed_files), "length": len(file), "size": image.size, "pixels": pixels})
    packed_files += file
versions = {"pillow": PIL.__version__, "zlib": features.version("zlib")}
OUT.mkdir(exist_ok=True)
(OUT / "files.bin").write_bytes(packed_files)
lines = ",\n".join(json.dumps(case) for case in listed)
(OUT / "cases.json").write_text(f'{{"versions": {json.dumps(versions)},\n"cases": [\n{lines}\n]}}\n')
print(len(listed), "cases,", len(packed_files), "bytes")
