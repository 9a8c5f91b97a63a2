"""The image towers of OpenCLIP's and TinyCLIP's ResNets at full size, with synthetic weights, computed by open_clip in float64.

    pip install open_clip_torch==3.3.0 torch==2.15.0 numpy==2.4.6
    python test/oracle/openclip_resnets.py [NAME]...    # writes test/golden/openclip-resnets/; 8 GB of memory

Weights follow test/golden/README.md: each folder has manifest.json (name, shape, mean, amplitude), and expected.json with the published
configuration, the embedding of the synthetic picture, not normalized, and means of each stage's activations.
"""
import gc
import json
import pathlib
import sys

import numpy
import open_clip
import torch
from open_clip.model import CLIPVisionCfg, _build_vision_tower
from synthetic import fill, picture

GOLDEN = pathlib.Path(__file__).parent.parent / "golden"
OUT = GOLDEN / "openclip-resnets"
PUBLISHED = {
    **json.loads((GOLDEN / "openclip-configs.json").read_text())["configs"],
    **json.loads((GOLDEN / "published-configs.json").read_text())["openclip"],
}
NAMES = ["TinyCLIP-ResNet-19M-Text-19M", "TinyCLIP-ResNet-30M-Text-29M", "RN101", "RN50x4", "RN50x16", "RN50x64"]

for name in sys.argv[1:] or NAMES:
    config = PUBLISHED[name]
    model = _build_vision_tower(config["embed_dim"], CLIPVisionCfg(**config["vision_cfg"])).double().eval()
    tensors = fill(model, "visual.")
    activations = {}
    for stage in range(1, 5):

        def look(_module, _inputs, x, stage=stage):
            activations[f"vision.layer{stage}"] = {
                "shape": list(x.shape[1:]),
                "mean": x.mean().item(),
                "abs_mean": x.abs().mean().item(),
                "first8": x.flatten()[:8].tolist(),
            }

        getattr(model, f"layer{stage}").register_forward_hook(look)
    with torch.no_grad():
        image = model(picture(config["vision_cfg"]["image_size"]))[0]
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps({"tensors": tensors}, separators=(",", ":")) + "\n")
    (folder / "expected.json").write_text(
        json.dumps(
            {
                "versions": {"open_clip": open_clip.__version__, "torch": torch.__version__, "numpy": numpy.__version__},
                "config": config,
                "image_embedding": image.tolist(),
                "activations": activations,
            }
        )
        + "\n"
    )
    print(name, {stage: sketch["abs_mean"] for stage, sketch in activations.items()})
    del model
    gc.collect()
