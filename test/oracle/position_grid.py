"""Position embeddings on other grids, as OpenCLIP's resize_pos_embed makes them (src/open_clip/model.py, 89fb801): torch's bicubic
with anti-aliasing over the grid, the class token's position as it is.

    pip install torch==2.15.0 numpy==2.4.6
    python test/oracle/position_grid.py    # writes test/golden/position-grids.json

`table` is [1 + from * from, 4] of made-up values; `resized` is [1 + to * to, 4].
"""
import json
import pathlib

import numpy
import torch
import torch.nn.functional as F

OUT = pathlib.Path(__file__).parent.parent / "golden" / "position-grids.json"
WIDTH = 4


def resized(table, to):
    tokens, image = table[:1], table[1:]
    side = int(len(image) ** 0.5)
    image = image.reshape(1, side, side, -1).permute(0, 3, 1, 2)
    image = F.interpolate(image, size=(to, to), mode="bicubic", antialias=True, align_corners=False)
    image = image.permute(0, 2, 3, 1).reshape(1, to * to, -1)[0]
    return torch.cat([tokens, image], dim=0)


cases = []
random = numpy.random.default_rng(17)
for side, to in [(7, 4), (7, 5), (7, 7), (7, 12), (14, 7), (14, 10), (5, 3), (3, 1), (1, 3), (16, 21)]:
    values = numpy.round(random.normal(size=(1 + side * side, WIDTH)), 4)
    table = torch.tensor(values, dtype=torch.float32)
    cases.append({"from": side, "to": to, "table": values.ravel().tolist(),
                  "resized": [float(f"{v:.7g}") for v in resized(table, to).ravel().tolist()]})
OUT.write_text(json.dumps({"versions": {"torch": torch.__version__, "numpy": numpy.__version__}, "width": WIDTH, "cases": cases}) + "\n")
