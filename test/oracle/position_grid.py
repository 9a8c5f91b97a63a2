"""Position embeddings on other grids, made by OpenCLIP's resize_pos_embed.

    pip install open_clip_torch==3.3.0 torch==2.15.0 numpy==2.4.6
    python test/oracle/position_grid.py    # writes test/golden/position-grids.json

`table` is [1 + from * from, 4] of made-up values; `resized` is [1 + to * to, 4].
"""
import json
import pathlib
from types import SimpleNamespace

import numpy
import open_clip
import torch
from open_clip.model import resize_pos_embed

OUT = pathlib.Path(__file__).parent.parent / "golden" / "position-grids.json"
WIDTH = 4


def resized(table, to):
    state = {"visual.positional_embedding": table}
    resize_pos_embed(state, SimpleNamespace(visual=SimpleNamespace(grid_size=(to, to))))
    return state["visual.positional_embedding"]


cases = []
random = numpy.random.default_rng(17)
for side, to in [(7, 4), (7, 5), (7, 7), (7, 12), (14, 7), (14, 10), (5, 3), (3, 1), (1, 3), (16, 21)]:
    values = numpy.round(random.normal(size=(1 + side * side, WIDTH)), 4)
    table = torch.tensor(values, dtype=torch.float32)
    cases.append({"from": side, "to": to, "table": values.ravel().tolist(),
                  "resized": [float(f"{v:.7g}") for v in resized(table, to).ravel().tolist()]})
OUT.write_text(json.dumps({"versions": {"open_clip": open_clip.__version__, "torch": torch.__version__, "numpy": numpy.__version__}, "width": WIDTH, "cases": cases}) + "\n")
