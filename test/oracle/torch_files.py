"""Files as PyTorch writes them, and what is in them, for test/weights/torch-*.test.ts.

    pip install torch==2.15.0 numpy==2.4.6
    python test/oracle/torch_files.py          # writes test/golden/torch/

state-dict.pt, checkpoint.pt, old.pt: small tensors of each kind; tensors.json has their values.
openai.pt: a small CLIP of OpenAI's architecture as TorchScript, half precision where OpenAI's code has it; openai.json has its
embeddings, computed in float64 of the stored weights, of the synthetic picture (README of test/golden) and of `token_ids`.
"""
import argparse
import collections
import json
import pathlib

import numpy
import torch
from torch import nn

OUT = pathlib.Path(__file__).parent.parent / "golden" / "torch"
OUT.mkdir(exist_ok=True)
torch.manual_seed(17)
VERSIONS = {"torch": torch.__version__, "numpy": numpy.__version__}

base = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 8
plain = collections.OrderedDict(
    f32=torch.tensor([[1.5, -2.25], [3.0, 0.125]]),
    f16=torch.tensor([1.0, -0.5, 65504.0], dtype=torch.float16),
    bf16=torch.tensor([1.0, -3.0, 2.0**100], dtype=torch.bfloat16),
    f64=torch.tensor([0.1], dtype=torch.float64),
    i64=torch.arange(5).expand(1, -1),
    u8=torch.tensor([1, 255], dtype=torch.uint8),
    flag=torch.tensor([True, False]),
    u16=torch.tensor([7, 65535], dtype=torch.uint16),
    scalar=torch.tensor(4.5),
    empty=torch.zeros(0, 3),
    parameter=nn.Parameter(torch.tensor([7.0, 8.0])),
    rows=base[1:3],
    transposed=base.t(),
    columns=base[:, 2:5],
    permuted=torch.arange(24, dtype=torch.float16).reshape(2, 3, 4).permute(2, 0, 1),
    row_of_one=base.t()[2:3, :].t(),
)
torch.save(plain, OUT / "state-dict.pt")

model = nn.Linear(3, 2)
optimizer = torch.optim.AdamW(model.parameters())
model(torch.ones(1, 3)).sum().backward()
optimizer.step()
checkpoint = {
    "epoch": 1,
    "name": "x",
    "args": argparse.Namespace(lr=numpy.float64(1e-3), path="ü", seed=2**70, many=numpy.arange(3)),
    "best": numpy.float32(0.5),
    "rng_state": torch.get_rng_state()[:16].clone(),
    "optimizer": optimizer.state_dict(),
    "state_dict": {f"module.{name}": value for name, value in model.state_dict().items()},
}
torch.save(checkpoint, OUT / "checkpoint.pt")
torch.save(checkpoint, OUT / "old.pt", _use_new_zipfile_serialization=False)


def listed(tensors):
    return {
        name: {"shape": list(value.shape), "values": value.detach().double().flatten().tolist()}
        for name, value in tensors.items()
    }


(OUT / "tensors.json").write_text(
    json.dumps({"versions": VERSIONS, "state_dict": listed(plain), "checkpoint": listed(checkpoint["state_dict"])}) + "\n"
)

# OpenAI's model (clip/model.py): names, order of operations and precision.
WIDTH, EMBED, IMAGE, PATCH, CONTEXT, VOCABULARY = 64, 32, 48, 16, 12, 40


class QuickGELU(nn.Module):
    def forward(self, x: torch.Tensor):
        return x * torch.sigmoid(1.702 * x)


class ResidualAttentionBlock(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.attn = nn.MultiheadAttention(width, width // 64)
        self.ln_1 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            collections.OrderedDict(
                c_fc=nn.Linear(width, width * 4), gelu=QuickGELU(), c_proj=nn.Linear(width * 4, width)
            )
        )
        self.ln_2 = nn.LayerNorm(width)

    def forward(self, x: torch.Tensor, mask: torch.Tensor):
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False, attn_mask=mask)[0]
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    def __init__(self, width: int, layers: int):
        super().__init__()
        self.resblocks = nn.ModuleList([ResidualAttentionBlock(width) for _ in range(layers)])

    def forward(self, x: torch.Tensor, mask: torch.Tensor):
        for block in self.resblocks:
            x = block(x, mask)
        return x


class VisionTransformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTH, PATCH, PATCH, bias=False)
        tokens = (IMAGE // PATCH) ** 2 + 1
        self.class_embedding = nn.Parameter(torch.randn(WIDTH) / 8)
        self.positional_embedding = nn.Parameter(torch.randn(tokens, WIDTH) / 8)
        self.ln_pre = nn.LayerNorm(WIDTH)
        self.transformer = Transformer(WIDTH, 2)
        self.ln_post = nn.LayerNorm(WIDTH)
        self.proj = nn.Parameter(torch.randn(WIDTH, EMBED) / 8)

    def forward(self, x: torch.Tensor):
        x = self.conv1(x).flatten(2).permute(2, 0, 1)
        x = torch.cat([self.class_embedding.expand(1, x.shape[1], -1), x]) + self.positional_embedding[:, None]
        x = self.transformer(self.ln_pre(x), torch.zeros(x.shape[0], x.shape[0], dtype=x.dtype))
        return self.ln_post(x[0]) @ self.proj


class Multimodal(nn.Module):
    def __init__(self):
        super().__init__()
        self.visual = VisionTransformer()
        self.transformer = Transformer(WIDTH, 1)
        self.token_embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.positional_embedding = nn.Parameter(torch.randn(CONTEXT, WIDTH) / 8)
        self.ln_final = nn.LayerNorm(WIDTH)
        self.text_projection = nn.Parameter(torch.randn(WIDTH, EMBED) / 8)
        self.logit_scale = nn.Parameter(torch.tensor(100.0).log())
        for name, value in [("input_resolution", IMAGE), ("context_length", CONTEXT), ("vocab_size", VOCABULARY)]:
            self.register_buffer(name, torch.tensor(value))

    def encode_text(self, text: torch.Tensor):
        x = self.token_embedding(text).permute(1, 0, 2) + self.positional_embedding[:, None]
        mask = torch.full((text.shape[1], text.shape[1]), float("-inf"), dtype=x.dtype).triu(1)
        x = self.ln_final(self.transformer(x, mask))
        return x[text.argmax(-1), torch.arange(text.shape[0])] @ self.text_projection

    def forward(self, image: torch.Tensor, text: torch.Tensor):
        return self.visual(image), self.encode_text(text)


model = Multimodal().eval()
for module in model.modules():
    if isinstance(module, nn.LayerNorm):
        for value in module.parameters():
            value.data += torch.randn_like(value) / 8
    # As convert_weights of clip/model.py.
    if isinstance(module, (nn.Conv2d, nn.Linear, nn.MultiheadAttention)):
        module.half()
    for name in ["text_projection", "proj"]:
        if isinstance(getattr(module, name, None), nn.Parameter):
            getattr(module, name).data = getattr(module, name).data.half()
torch.jit.script(model).save(str(OUT / "openai.pt"))

y, x, c = numpy.indices((IMAGE, IMAGE, 3))
picture = (3 * x + 5 * y + 71 * c + ((x * y) >> 4) + ((x * x) >> 5)) & 255
mean, std = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
pixels = torch.tensor((picture / 255 - mean) / std).permute(2, 0, 1)[None]
token_ids = [[38, 5, 9, 39], [38, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 39]]
padded = torch.tensor([ids + [0] * (CONTEXT - len(ids)) for ids in token_ids])
with torch.no_grad():
    image, texts = model.double()(pixels, padded)
(OUT / "openai.json").write_text(
    json.dumps(
        {
            "versions": VERSIONS,
            "config": {"image_resolution": IMAGE},
            "token_ids": token_ids,
            "image_embedding": image[0].tolist(),
            "text_embeddings": texts.tolist(),
        }
    )
    + "\n"
)
