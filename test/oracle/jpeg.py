"""JPEGs of every kind and what Pillow makes of them, for test/image/jpeg.test.ts.

    apt-get install libjpeg-turbo-progs     # cjpeg
    pip install pillow==13.0.0 numpy
    python test/oracle/jpeg.py              # writes test/golden/jpeg/

files.bin holds the files one after the other. cases.json: `versions`, and for each file its name, offset and length, the
`size` and `pixels` of `Image.open(file).convert("RGB")` (the first 16 digits of the SHA-256 of its bytes), and the same in
`draft` after `Image.draft("RGB", (target, target))`: target, width, height, pixels.
"""
import hashlib
import io
import json
import pathlib
import random
import struct
import subprocess

import numpy
import PIL
from PIL import Image, features

OUT = pathlib.Path(__file__).parent.parent / "golden" / "jpeg"
random.seed(18)
noise = numpy.random.default_rng(18)
files = {}


def picture(width, height, bands=3, rough=14):
    """Soft shapes and some noise, as photos have them."""
    coarse = noise.integers(0, 256, (height // 7 + 2, width // 7 + 2, bands), dtype=numpy.uint8)
    planes = [Image.fromarray(coarse[:, :, b]).resize((width, height), Image.Resampling.BICUBIC) for b in range(bands)]
    soft = numpy.stack([numpy.asarray(plane) for plane in planes], axis=2).astype(int)
    rows = (soft + noise.integers(-rough, rough + 1, soft.shape)).clip(0, 255).astype(numpy.uint8)
    return Image.fromarray(rows if bands > 1 else rows[:, :, 0], "CMYK" if bands == 4 else "RGB" if bands == 3 else "L")


def cjpeg(image, *options):
    ppm = io.BytesIO()
    image.save(ppm, "ppm")
    return subprocess.run(["cjpeg", *options], input=ppm.getvalue(), capture_output=True, check=True).stdout


def pillow(image, **options):
    out = io.BytesIO()
    image.save(out, "jpeg", **options)
    return out.getvalue()


def segments(data):
    """(marker, start, end) of every segment, with the coded data behind a scan's header."""
    at = 2
    while True:
        code = data[at + 1]
        end = at + 2 if code == 0xD9 else at + 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
        if code == 0xDA:
            while not (data[end] == 0xFF and data[end + 1] != 0 and not 0xD0 <= data[end + 1] <= 0xD7):
                end += 1
        yield code, at, end
        at = end
        if code == 0xD9:
            return


def edit(data, change):
    """The file with each segment replaced by what `change` returns for its marker and bytes."""
    return data[:2] + b"".join(change(code, data[start:end]) for code, start, end in segments(data))


def without(data, *codes):
    return edit(data, lambda code, body: b"" if code in codes else body)


def with_ids(data, ids):
    def change(code, body):
        body = bytearray(body)
        if 0xC0 <= code <= 0xC2:
            for i in range(body[9]):
                body[10 + 3 * i] = ids[i]
        if code == 0xDA:
            for i in range(body[4]):
                body[5 + 2 * i] = ids[i if body[4] > 1 else old.index(body[5])]
        return bytes(body)

    frame = next(data[start:end] for code, start, end in segments(data) if 0xC0 <= code <= 0xC2)
    old = [frame[10 + 3 * i] for i in range(frame[9])]
    return edit(data, change)


def adobe(transform):
    return b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([transform])


def behind_start(data, extra):
    return data[:2] + extra + data[2:]


def scans(data):
    """How many scans there are."""
    return sum(code == 0xDA for code, _, _ in segments(data))


def first_scans(data, count):
    """A progressive file without its later scans."""
    seen = 0
    for code, start, end in segments(data):
        seen += code == 0xDA
        if seen == count:
            return data[:end] + b"\xff\xd9"
    raise ValueError("not so many scans")


def script_file(script):
    """A file with this script of scans, for cjpeg."""
    (OUT / "script.txt").write_text(script)
    return str(OUT / "script.txt")


def scripted(name, image, script, *options):
    files[name] = cjpeg(image, "-scans", script_file(script), *options)


OUT.mkdir(exist_ok=True)

# Sampling factors, each with a size that cuts the last MCU.
FACTORS = (
    "1x1 2x1 1x2 2x2 4x1 1x4 4x2 2x4 3x1 1x3 3x2 2x3 4x1,2x1,1x1 2x2,1x2,2x1 2x2,2x1,1x1 1x1,2x2,1x1 2x1,1x2,1x2 "
    "4x1,2x1,2x1 1x4,1x2,1x2 2x2,1x2,1x2 2x2,2x1,2x1 1x1,1x1,2x2 3x1,1x1,3x1 2x2,2x2,1x1 4x1,1x1,2x1 "
    "1x2,1x1,1x2"
).split()
for i, factors in enumerate(FACTORS):
    for j, kind in enumerate([["-optimize"], ["-progressive"]]):
        width, height = 17 + (i * 5 + j * 11) % 40, 19 + (i * 7 + j * 13) % 36
        files[f"factors-{factors}{kind[0]}"] = cjpeg(picture(width, height), "-quality", "80", "-sample", factors, *kind)

# More blocks than one MCU may have, in scans of their own.
EACH = "0; 1; 2;"
for factors in "3x3 4x4 4x2,2x1,1x1 2x4,1x2,1x1 4x4,2x2,1x1 2x2,2x2,2x2 4x4,1x4,4x1 4x3,2x3,4x1".split():
    scripted(f"factors-{factors}-each", picture(41, 45), EACH, "-quality", "80", "-sample", factors)

# Every size from 1 to 65 in both directions.
widths, heights = random.sample(range(1, 66), 65), random.sample(range(1, 66), 65)
for i, (width, height) in enumerate(zip(widths, heights)):
    factors = ["2x2", "2x1", "1x2", "1x1", "2x2", "4x1"][i % 6]
    kind = [["-optimize"], ["-progressive"], ["-optimize"], ["-optimize", "-grayscale"]][i % 4]
    files[f"size-{width}x{height}"] = cjpeg(picture(width, height), "-quality", "70", "-sample", factors, *kind)

# Restart intervals in MCUs and rows, coded with default and optimized tables, and qualities.
for interval in ["1B", "2B", "5B", "1", "2"]:
    for kind in [[], ["-progressive"]]:
        files[f"restart-{interval}{''.join(kind)}"] = cjpeg(picture(50, 45), "-restart", interval, *kind)
for quality in ["1", "5", "30", "95", "100"]:
    files[f"quality-{quality}"] = cjpeg(picture(33, 26, rough=60), "-quality", quality)
files["noise-100"] = cjpeg(picture(40, 40, rough=255), "-quality", "100", "-sample", "1x1")

# Quantization of 16 bits (extended sequential) and scans of other kinds than cjpeg's own.
tables = OUT / "tables.txt"
tables.write_text("\n".join(" ".join(str(300 + 37 * k) for k in range(64)) for _ in range(2)))
files["quantization-16"] = cjpeg(picture(40, 30, rough=100), "-qtables", str(tables), "-quality", "50")
files["quantization-16-progressive"] = cjpeg(picture(40, 30, rough=100), "-qtables", str(tables), "-progressive", "-quality", "50")
tables.unlink()
scripted("scans-each", picture(43, 29), "0; 1; 2;")
scripted("scans-two-and-one", picture(43, 29), "0 2; 1;", "-sample", "2x2")
scripted("scans-each-restart", picture(43, 29), "2; 0; 1;", "-restart", "3B", "-sample", "2x1")
scripted("scans-bands", picture(51, 37), "0,1,2: 0-0, 0, 0; 0: 1-63, 0, 0; 1: 1-63, 0, 0; 2: 1-63, 0, 0;")
scripted(
    "scans-bits",
    picture(51, 37),
    "0,1,2: 0-0, 0, 3; 0: 1-9, 0, 3; 0: 10-63, 0, 3; 1: 1-63, 0, 2; 2: 1-63, 0, 2; 0: 1-63, 3, 2; 0: 1-63, 2, 1; 0: 1-63, 1, 0;"
    "1: 1-63, 2, 1; 2: 1-63, 2, 1; 1: 1-63, 1, 0; 2: 1-63, 1, 0; 0,1,2: 0-0, 3, 2; 0,1,2: 0-0, 2, 1; 0,1,2: 0-0, 1, 0;",
    "-sample", "2x2",
)
scripted("scans-dc-each", picture(30, 61), "0: 0-0, 0, 0; 1: 0-0, 0, 0; 2: 0-0, 0, 0; 0: 1-63, 0, 0; 1: 1-63, 0, 0; 2: 1-63, 0, 0;", "-sample", "2x2")

# Progressive files whose last scans are missing: smoothed between blocks.
for factors in ["2x2", "1x1", "2x1", "1x2", "4x2"]:
    whole = cjpeg(picture(61, 53), "-quality", "60", "-sample", factors, "-progressive")
    for count in [1, 2, 4, scans(whole) - 1]:
        files[f"smoothed-{factors}-{count}"] = first_scans(whole, count)
gray = cjpeg(picture(50, 44), "-quality", "60", "-sample", "2x2", "-grayscale", "-progressive")
for count in [1, 2, scans(gray) - 1]:
    files[f"smoothed-gray-{count}"] = first_scans(gray, count)
files["smoothed-low"] = first_scans(cjpeg(picture(9, 40), "-progressive"), 1)

# Colors: what says that they are RGB, YCbCr, CMYK or YCCK.
photo = picture(37, 29)
ycc = cjpeg(photo, "-quality", "85", "-sample", "1x1")
rgb = cjpeg(photo, "-quality", "85", "-rgb")
bare = without(ycc, 0xE0, 0xEE)
bare_rgb = without(rgb, 0xE0, 0xEE)
files["colors-jfif"] = ycc
files["colors-bare"] = bare
files["colors-adobe-0"] = behind_start(bare, adobe(0))
files["colors-adobe-1"] = behind_start(bare, adobe(1))
files["colors-adobe-7"] = behind_start(bare, adobe(7))
files["colors-jfif-and-adobe-0"] = behind_start(ycc, adobe(0))
files["colors-rgb"] = rgb
files["colors-rgb-ids"] = bare_rgb
files["colors-rgb-ids-jfif"] = edit(bare_rgb, lambda code, body: body)[:2] + ycc[2 : ycc.index(b"\xff\xdb")] + bare_rgb[2:]
files["colors-ids-0"] = with_ids(bare, [0, 1, 2])
files["colors-ids-odd"] = with_ids(bare, [5, 200, 7])
files["colors-ids-odd-adobe-0"] = behind_start(with_ids(bare, [34, 35, 1]), adobe(0))
files["colors-ids-odd-progressive"] = with_ids(cjpeg(photo, "-progressive"), [77, 3, 250])
files["colors-gray"] = cjpeg(picture(37, 29, 1), "-quality", "85")
files["colors-gray-adobe"] = behind_start(without(files["colors-gray"], 0xE0), adobe(0))
for name, options in {"": {}, "-progressive": {"progressive": True}, "-optimized": {"optimize": True, "quality": 95}}.items():
    cmyk = pillow(picture(35, 31, 4), **options)
    bare_cmyk = without(cmyk, 0xE0, 0xEE)
    files[f"inks-cmyk{name}"] = cmyk
    files[f"inks-bare{name}"] = bare_cmyk
    files[f"inks-ycck{name}"] = behind_start(bare_cmyk, adobe(2))
    files[f"inks-adobe-1{name}"] = behind_start(bare_cmyk, adobe(1))

# Around the picture: thumbnails, EXIF, comments, trailing bytes, fill bytes, tables in one segment or many.
thumbnail = pillow(picture(16, 12))
exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0" + thumbnail
files["around-exif-thumbnail"] = behind_start(bare, b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif)
jfif = b"JFIF\0\x01\x02\0\0\x01\0\x01\x02\x02" + bytes(range(12))
files["around-jfif-thumbnail"] = behind_start(bare, b"\xff\xe0" + struct.pack(">H", len(jfif) + 2) + jfif)
files["around-comment"] = behind_start(ycc, b"\xff\xfe\x00\x12\xff\xd8\xff\xd9\xff\xda in text")
files["around-trailing"] = ycc + bytes(range(256)) + thumbnail
files["around-fill"] = edit(ycc, lambda code, body: b"\xff\xff\xff" + body)
files["around-garbage"] = edit(ycc, lambda code, body: b"\x00\x11\x22" + body if code in (0xDB, 0xC4) else body)
files["around-restart-progressive"] = cjpeg(picture(64, 40), "-progressive", "-restart", "2B", "-sample", "2x2")


def merged(data, code):
    """All tables of a kind in one segment."""
    bodies = [data[start + 4 : end] for found, start, end in segments(data) if found == code]
    joined = b"".join(bodies)
    first = True

    def change(found, body):
        nonlocal first
        if found != code:
            return body
        once, first = first, False
        return bytes([0xFF, code]) + struct.pack(">H", len(joined) + 2) + joined if once else b""

    return edit(data, change)


files["around-one-dqt"] = merged(ycc, 0xDB)
files["around-one-dht"] = merged(ycc, 0xC4)
files["around-no-end-trailer"] = ycc[:-2] + b"trailer of a camera, long enough" * 4

# Progressive and sequential files of which a component has no scan: libjpeg shows it as gray.
each = cjpeg(picture(39, 25), "-quality", "80", "-sample", "2x1", "-scans", script_file("0; 1; 2;"))
for count in (1, 2):
    files[f"missing-sequential-{count}"] = first_scans(each, count)
dc_each = cjpeg(picture(39, 25), "-sample", "2x2", "-scans", script_file("0: 0-0, 0, 0; 1: 0-0, 0, 0; 2: 0-0, 0, 0; 0: 1-63, 0, 0; 1: 1-63, 0, 0; 2: 1-63, 0, 0;"))
for count in (1, 2, 4):
    files[f"missing-progressive-{count}"] = first_scans(dc_each, count)

# Motion JPEG leaves out the standard Huffman tables, or some of them.
motion = cjpeg(picture(44, 31), "-quality", "75")
files["tables-none"] = without(motion, 0xC4)
files["tables-none-gray"] = without(cjpeg(picture(44, 31, 1), "-quality", "75"), 0xC4)
tables = [motion[start:end] for code, start, end in segments(motion) if code == 0xC4]
for i, table in enumerate(tables):
    files[f"tables-without-{i}"] = motion.replace(table, b"")
# Extended sequential: four tables of each kind.
high = {0x00: 0x02, 0x10: 0x13, 0x01: 0x03, 0x11: 0x12}


def extended(code, body):
    body = bytearray(body)
    if code == 0xC0:
        body[1] = 0xC1
    if code == 0xC4:
        body[4] = high[body[4]]
    if code == 0xDA:
        for i in range(body[4]):
            body[6 + 2 * i] = {0x00: 0x23, 0x11: 0x32}[body[6 + 2 * i]]
    return bytes(body)


files["tables-extended"] = edit(motion, extended)


# The restart interval changes from scan to scan.
def interval(count):
    return b"\xff\xdd\x00\x04" + struct.pack(">H", count)


def with_intervals(image, counts, *options):
    whole = {count: cjpeg(image, "-restart", f"{count}B", *options) if count else cjpeg(image, *options) for count in set(counts)}
    out = b""
    for i, count in enumerate(counts):
        ends = [end for code, _, end in segments(whole[count]) if code == 0xDA]
        start = ends[i - 1] if i > 0 else 0
        # What comes before the scan may say the interval as well.
        part = b"\xff\xd8" + whole[count][2 if i == 0 else start : ends[i]] + b"\xff\xd9"
        out += edit(part, lambda code, body: b"" if code == 0xDD or code == 0xD9 else (interval(count) + body if code == 0xDA else body))[2:]
    return b"\xff\xd8" + out + b"\xff\xd9"


photo = picture(70, 33)
files["intervals-sequential"] = with_intervals(photo, (3, 0, 5), "-sample", "2x1", "-scans", script_file("0; 1; 2;"))
files["intervals-progressive"] = with_intervals(photo, (2, 7, 0, 1, 1, 0, 4, 3, 0, 9), "-sample", "2x2", "-progressive")


# Fill bytes before restart markers and before the end.
def filled(data):
    ends = [(start, end) for code, start, end in segments(data) if code == 0xDA]
    out, at = b"", 0
    for start, end in ends:
        first = start + 2 + struct.unpack(">H", data[start + 2 : start + 4])[0]
        out += data[at:first]
        for i in range(first, end):
            if data[i] == 0xFF and 0xD0 <= data[i + 1] <= 0xD7:
                out += b"\xff" * (1 + i % 3)
            out += data[i : i + 1]
        at = end
    return out + b"\xff\xff" + data[at:]


for kind in [["-optimize"], ["-progressive"]]:
    files[f"around-restart-fill{kind[0]}"] = filled(cjpeg(picture(52, 40), "-restart", "3B", "-sample", "2x2", *kind))
# A height that is stated once more behind the scan (DNL).
files["around-dnl"] = ycc[:-2] + b"\xff\xdc\x00\x04" + struct.pack(">H", 29) + ycc[-2:]

cases = []
offset = 0
for name, data in files.items():
    def pixels(target=None):
        image = Image.open(io.BytesIO(data))
        if target:
            image.draft("RGB", (target, target))
        image = image.convert("RGB")
        return [*image.size, hashlib.sha256(image.tobytes()).hexdigest()[:16]]

    width, height, digest = pixels()
    targets = [min(width, height) // scale for scale in (2, 4, 8) if min(width, height) >= scale]
    draft = [[target, *pixels(target)] for target in targets]
    cases.append({"name": name, "offset": offset, "length": len(data), "size": [width, height], "pixels": digest, "draft": draft})
    offset += len(data)

(OUT / "script.txt").unlink()
(OUT / "files.bin").write_bytes(b"".join(files.values()))
versions = {
    "Pillow": PIL.__version__,
    "libjpeg-turbo": features.version("libjpeg_turbo"),
    "numpy": numpy.__version__,
    "cjpeg": subprocess.run(["cjpeg", "-version"], capture_output=True, text=True).stderr.split()[2],
}
lines = ",\n    ".join(json.dumps(case, separators=(",", ":")) for case in cases)
(OUT / "cases.json").write_text(f'{{\n  "versions": {json.dumps(versions)},\n  "cases": [\n    {lines}\n  ]\n}}\n')
print(len(cases), "files,", offset, "bytes")
