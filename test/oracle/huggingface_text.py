"""A small text tower in both readings of `eos_token_id`, computed by transformers in float64: 2, which all older configurations have,
pools the largest id; another one pools the first token of that id.

    pip install transformers==5.24.0 torch==2.15.0 numpy==2.4.6
    python test/oracle/huggingface_text.py    # writes test/golden/huggingface-text/

Weights follow test/golden/README.md under the names of transformers; `models` has a configuration and the embeddings of `token_ids`, not
normalized, for each.
"""
import json
import pathlib

import numpy
import torch
import transformers
from synthetic import fill
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

OUT = pathlib.Path(__file__).parent.parent / "golden" / "huggingface-text"
IDS = [[1, 7, 9, 39, 0, 0, 0, 0], [1, 9, 5, 9, 39, 39, 0, 0]]
SHAPE = dict(
    hidden_size=32, intermediate_size=96, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=8, vocab_size=40,
    projection_dim=16, bos_token_id=1, pad_token_id=0, layer_norm_eps=1e-4,
)

models = {}
for name, options in {
    "old": dict(eos_token_id=2, hidden_act="quick_gelu"),
    "new": dict(eos_token_id=9, hidden_act="gelu"),
}.items():
    config = {**SHAPE, **options}
    model = CLIPTextModelWithProjection(CLIPTextConfig(**config, attn_implementation="eager")).double().eval()
    tensors = [tensor for tensor in fill(model) if not tensor["name"].endswith("position_ids")]
    with torch.no_grad():
        embeddings = model(torch.tensor(IDS)).text_embeds
    models[name] = {
        "config": {"model_type": "clip_text_model", "architectures": ["CLIPTextModelWithProjection"], **config},
        "text_embeddings": embeddings.tolist(),
    }
OUT.mkdir(exist_ok=True)
(OUT / "manifest.json").write_text(json.dumps({"tensors": tensors}) + "\n")
versions = {"transformers": transformers.__version__, "torch": torch.__version__, "numpy": numpy.__version__}
(OUT / "expected.json").write_text(json.dumps({"versions": versions, "token_ids": IDS, "models": models}) + "\n")
