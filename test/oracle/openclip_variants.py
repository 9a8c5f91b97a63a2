"""Small models with options of OpenCLIP that the other golden models do not have, computed by open_clip in float64.

    pip install open_clip_torch==3.3.0 torch==2.15.0 numpy==2.4.6
    python test/oracle/openclip_variants.py    # writes test/golden/openclip-variants/

Weights follow test/golden/README.md: each folder has manifest.json (name, shape, mean, amplitude), and expected.json with the configuration
and the embeddings of the synthetic picture and of `token_ids`, not normalized; `resized` has those of the picture at other image sizes.
"""
import json
import pathlib
from types import SimpleNamespace

import numpy
import open_clip
import torch
from open_clip.model import CLIP, CustomTextCLIP, resize_pos_embed
from synthetic import fill, picture

OUT = pathlib.Path(__file__).parent.parent / "golden" / "openclip-variants"
IDS = [[1, 7, 9, 39, 0, 0], [1, 2, 3, 4, 5, 39]]

TEXT = dict(context_length=6, vocab_size=40, width=32, heads=2, layers=2)
VISION = dict(image_size=32, patch_size=8, width=32, head_width=16, layers=2)
RESNET = dict(image_size=64, layers=[1, 2, 1, 1], patch_size=None)
MODELS = {
    "layer-scale": dict(vision_cfg=dict(VISION, ls_init_value=1e-4), text_cfg=dict(TEXT, ls_init_value=1e-4)),
    "mean-then-norm": dict(vision_cfg=dict(VISION, no_ln_pre=True, pool_type="avg", final_ln_after_pool=True), text_cfg=TEXT),
    "clipa": dict(
        vision_cfg=dict(VISION, no_ln_pre=True, pool_type="avg", final_ln_after_pool=True),
        text_cfg=dict(TEXT, pool_type="last", no_causal_mask=True),
    ),
    "no-causal-mask": dict(vision_cfg=VISION, text_cfg=dict(TEXT, no_causal_mask=True, proj_bias=True)),
    "causal-last": dict(vision_cfg=VISION, text_cfg=dict(TEXT, pool_type="last")),
    "norm-then-mean": dict(
        vision_cfg=dict(VISION, pool_type="avg", norm_kwargs=dict(eps=1e-6)), text_cfg=dict(TEXT, norm_kwargs=dict(eps=1e-3))
    ),
    # No LayerNorm before the blocks, the class token pooled; the first token of a text that sees all of it.
    "first-token": dict(
        vision_cfg=dict(VISION, no_ln_pre=True, final_ln_after_pool=True),
        text_cfg=dict(TEXT, pool_type="first", no_causal_mask=True, pad_id=3),
        custom_text=True,
    ),
    # The end token by its id, which is not the largest, and a biased projection.
    "eos-id": dict(vision_cfg=VISION, text_cfg=dict(TEXT, pool_type="eos", eos_id=8, proj_bias=True)),
    "no-projection": dict(vision_cfg=dict(VISION, ls_init_value=0.1), text_cfg=dict(TEXT, width=16, proj_type="none")),
    "quickgelu": dict(vision_cfg=dict(VISION, pool_type="avg"), text_cfg=dict(TEXT, pool_type="last"), quick_gelu=True),
    # Patches, widths, heads and MLPs that are not powers of two.
    "odd-sizes": dict(
        vision_cfg=dict(image_size=35, patch_size=7, width=72, head_width=12, layers=3, mlp_ratio=2.5, ls_init_value=0.1),
        text_cfg=dict(TEXT, width=120, heads=6, mlp_ratio=1.81),
    ),
    # Channels that do not come in eights, as in TinyCLIP's ResNets; of width 9 none do before the last stage.
    "resnet-12": dict(vision_cfg=dict(RESNET, width=12, head_width=64), text_cfg=TEXT),
    "resnet-9": dict(vision_cfg=dict(RESNET, width=9, head_width=32), text_cfg=TEXT),
}

# Image sizes that resize_pos_embed gives the weights. It looks for a ViT's positions only: those of a ResNet are given under that name.
SIZES = {"first-token": [24, 48], "norm-then-mean": [16, 80], "odd-sizes": [14, 63], "resnet-12": [32, 96]}
POSITIONS = "visual.positional_embedding"
RESNET_POSITIONS = "visual.attnpool.positional_embedding"

for name, config in MODELS.items():
    config = dict(config)
    quick_gelu = config.get("quick_gelu", False)
    build = CustomTextCLIP if config.get("custom_text") else CLIP
    towers = {tower: dict(config[tower]) for tower in ("vision_cfg", "text_cfg")}
    model = build(embed_dim=16, **towers, quick_gelu=quick_gelu).double().eval()
    tensors = fill(model)
    text = config["text_cfg"]
    ids = [[{39: text.get("eos_id", 39), 0: text.get("pad_id", 0)}.get(i, i) for i in row] for row in IDS]
    with torch.no_grad():
        image = model.encode_image(picture(config["vision_cfg"]["image_size"]))[0]
        texts = model.encode_text(torch.tensor(ids))
    resized = {}
    for size in SIZES.get(name, []):
        other = build(embed_dim=16, **{**towers, "vision_cfg": dict(config["vision_cfg"], image_size=size)}, quick_gelu=quick_gelu).double().eval()
        state = dict(model.state_dict())
        if RESNET_POSITIONS in state:
            table = {POSITIONS: state[RESNET_POSITIONS]}
            resize_pos_embed(table, SimpleNamespace(visual=SimpleNamespace(grid_size=(size // 32, size // 32))))
            state[RESNET_POSITIONS] = table[POSITIONS]
        else:
            resize_pos_embed(state, other)
        other.load_state_dict(state)
        with torch.no_grad():
            resized[size] = other.encode_image(picture(size))[0].tolist()
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps({"tensors": tensors}) + "\n")
    (folder / "expected.json").write_text(
        json.dumps(
            {
                "versions": {"open_clip": open_clip.__version__, "torch": torch.__version__, "numpy": numpy.__version__},
                "config": {"embed_dim": 16, **config},
                "token_ids": ids,
                "image_embedding": image.tolist(),
                "text_embeddings": texts.tolist(),
                **({"resized": resized} if resized else {}),
            }
        )
        + "\n"
    )
