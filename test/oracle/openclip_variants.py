"""Small models with options of OpenCLIP that the other golden models do not have: LayerScale, mean pooling before and after the last
LayerNorm, no LayerNorm before the blocks, epsilons of their own, text towers without a causal mask, the last (padded) token as the embedding,
a projection with a bias. Computed by open_clip in float64.

    pip install open_clip_torch==3.3.0 torch==2.15.0 numpy==2.4.6
    python test/oracle/openclip_variants.py    # writes test/golden/openclip-variants/

Weights follow test/golden/README.md: each folder has manifest.json (name, shape, mean, amplitude), and expected.json with the configuration
and the embeddings of the synthetic picture and of `token_ids`, not normalized.
"""
import json
import pathlib

import numpy
import open_clip
import torch
from open_clip.model import CLIP

OUT = pathlib.Path(__file__).parent.parent / "golden" / "openclip-variants"
MEAN = [0.48145466, 0.4578275, 0.40821073]
STD = [0.26862954, 0.26130258, 0.27577711]
IDS = [[1, 7, 9, 39, 0, 0], [1, 2, 3, 4, 5, 39]]
M32 = 0xFFFFFFFF


def fnv1a32(text):
    h = 0x811C9DC5
    for byte in text.encode():
        h = ((h ^ byte) * 0x01000193) & M32
    return h


def values(name, shape, mean, amplitude):
    n = numpy.arange(1, int(numpy.prod(shape)) + 1, dtype=numpy.uint64)
    z = (numpy.uint64(fnv1a32(name)) + n * numpy.uint64(0x9E3779B9)) & numpy.uint64(M32)
    z = ((z ^ (z >> numpy.uint64(16))) * numpy.uint64(0x21F0AAAD)) & numpy.uint64(M32)
    z = ((z ^ (z >> numpy.uint64(15))) * numpy.uint64(0x735A2D97)) & numpy.uint64(M32)
    z = z ^ (z >> numpy.uint64(15))
    u = z.astype(numpy.float64) / 2.0**31 - 1
    return (mean + amplitude * u).astype(numpy.float32).reshape(shape)


def spread(name, shape):
    if name == "logit_scale":
        return 4.605170185988092, 0.0
    if name.endswith("gamma"):
        return 0.6, 0.5
    if name.endswith("weight") and len(shape) == 1:
        return 1.0, 0.2
    if name.endswith("bias"):
        return 0.0, 0.1
    if len(shape) < 2 or "embedding" in name:
        return 0.0, 0.3
    fan_in = shape[0] if name.endswith("proj") or name == "text_projection" else int(numpy.prod(shape[1:]))
    return 0.0, float(numpy.sqrt(3.0 / fan_in))


def picture(size):
    y, x, c = numpy.mgrid[0:size, 0:size, 0:3]
    bytes_ = (3 * x + 5 * y + 71 * c + ((x * y) >> 4) + ((x * x) >> 5)) & 255
    return torch.tensor((bytes_ / 255.0 - MEAN) / STD).permute(2, 0, 1)[None]


TEXT = dict(context_length=6, vocab_size=40, width=32, heads=2, layers=2)
VISION = dict(image_size=32, patch_size=8, width=32, head_width=16, layers=2)
MODELS = {
    "layer-scale": (dict(VISION, ls_init_value=1e-4), dict(TEXT, ls_init_value=1e-4)),
    "mean-then-norm": (dict(VISION, no_ln_pre=True, pool_type="avg", final_ln_after_pool=True), TEXT),
    "clipa": (
        dict(VISION, no_ln_pre=True, pool_type="avg", final_ln_after_pool=True),
        dict(TEXT, pool_type="last", no_causal_mask=True),
    ),
    "no-causal-mask": (VISION, dict(TEXT, no_causal_mask=True, proj_bias=True)),
    "causal-last": (VISION, dict(TEXT, pool_type="last")),
    "norm-then-mean": (dict(VISION, pool_type="avg", norm_kwargs=dict(eps=1e-6)), dict(TEXT, norm_kwargs=dict(eps=1e-3))),
}

for name, (vision, text) in MODELS.items():
    model = CLIP(embed_dim=16, vision_cfg=dict(vision), text_cfg=dict(text), quick_gelu=False).double().eval()
    tensors = []
    state = model.state_dict()
    for key, tensor in state.items():
        if key == "attn_mask":
            continue
        shape = list(tensor.shape)
        mean, amplitude = spread(key, shape)
        tensors.append({"name": key, "shape": shape, "mean": mean, "amplitude": amplitude})
        state[key] = torch.tensor(values(key, shape, mean, amplitude).astype(numpy.float64))
    model.load_state_dict(state)
    with torch.no_grad():
        image = model.encode_image(picture(vision["image_size"]))[0]
        texts = model.encode_text(torch.tensor(IDS))
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps({"tensors": tensors}) + "\n")
    (folder / "expected.json").write_text(
        json.dumps(
            {
                "versions": {"open_clip": open_clip.__version__, "torch": torch.__version__, "numpy": numpy.__version__},
                "config": {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text},
                "token_ids": IDS,
                "image_embedding": image.tolist(),
                "text_embeddings": texts.tolist(),
            }
        )
        + "\n"
    )
