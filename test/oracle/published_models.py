"""OpenCLIP's published models as data, src/hub/published-models.ts.

    git clone https://github.com/mlfoundations/open_clip && git -C open_clip checkout 89fb801f1e60
    python test/oracle/published_models.py open_clip

Reads src/open_clip/pretrained.py (the tags and where they lie), docs/model_profile.csv (parameters) and
src/open_clip/model_configs (which architectures they are).
"""
import csv
import json
import pathlib
import re
import subprocess
import sys
import types

ROOT = pathlib.Path(sys.argv[1])
OUT = pathlib.Path(__file__).parent.parent.parent / "src" / "hub" / "published-models.ts"
SOURCE = ROOT / "src" / "open_clip"
COMMIT = sys.argv[2] if len(sys.argv) > 2 else subprocess.check_output(
    ["git", "-C", str(ROOT), "log", "-1", "--format=%h of %cs"], text=True).strip()

sys.modules.setdefault("tqdm", types.SimpleNamespace(tqdm=None))
package = types.ModuleType("open_clip")
package.__path__ = [str(SOURCE)]
sys.modules["open_clip"] = package
from open_clip.pretrained import _PRETRAINED  # noqa: E402

# openai/CLIP, clip/clip.py: the names of `clip.load`, and the SHA-256 of the files at openaipublic.azureedge.net.
OPENAI = {
    "RN50": "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762/RN50.pt",
    "RN101": "8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599/RN101.pt",
    "RN50x4": "7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd/RN50x4.pt",
    "RN50x16": "52378b407f34354e150460fe41077663dd5b39c54cd0bfd2b27167a4a06ec9aa/RN50x16.pt",
    "RN50x64": "be1cfb55d75a9666199fb2206c106743da0f6468c9d327f3e0d0a543a9919d9c/RN50x64.pt",
    "ViT-B-32": "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af/ViT-B-32.pt",
    "ViT-B-16": "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f/ViT-B-16.pt",
    "ViT-L-14": "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836/ViT-L-14.pt",
    "ViT-L-14-336": "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02/ViT-L-14-336px.pt",
}


# Licenses that the pages of these repositories on the hub state, read one by one; of the others none is known.
CARDS = {
    "MIT": """
        timm/resnet50_clip.yfcc15m timm/resnet50_clip.cc12m timm/resnet101_clip.yfcc15m
        timm/vit_base_patch32_clip_224.laion400m_e31 timm/vit_base_patch32_clip_224.laion400m_e32
        timm/vit_base_patch16_clip_224.laion400m_e31 timm/vit_large_patch14_clip_224.laion400m_e31
        timm/vit_large_patch14_clip_224.laion400m_e32 timm/vit_base_patch16_plus_clip_240.laion400m_e31
        timm/eva02_base_patch16_clip_224.merged2b_s8b_b131k timm/eva02_large_patch14_clip_224.merged2b_s4b_b131k
        timm/eva02_large_patch14_clip_336.merged2b_s6b_b61k
        laion/CLIP-convnext_base-laion400M-s13B-b51K laion/CLIP-convnext_base_w-laion2B-s13B-b82K
        laion/CLIP-convnext_large_d.laion2B-s26B-b102K-augreg
        laion/CoCa-ViT-B-32-laion2B-s13B-b90k laion/CoCa-ViT-L-14-laion2B-s13B-b90k
        laion/mscoco_finetuned_CoCa-ViT-B-32-laion2B-s13B-b90k jienengchen/ViTamin-XL-384px
    """,
    "Apache-2.0": """
        timm/ViT-SO400M-14-SigLIP timm/ViT-SO400M-14-SigLIP-384 timm/PE-Core-bigG-14-448
        UCSC-VLAA/ViT-bigG-14-CLIPA-336-datacomp1B UCSC-VLAA/ViT-bigG-14-CLIPA-datacomp1B
        UCSC-VLAA/ViT-L-14-CLIPA-datacomp1B UCSC-VLAA/ViT-H-14-CLIPA-datacomp1B
        UCSC-VLAA/ViT-H-14-CLIPA-336-laion2B UCSC-VLAA/ViT-H-14-CLIPA-336-datacomp1B
    """,
    "CC-BY-NC-4.0": "visheratin/nllb-clip-large-siglip",
    "Apple AMLR": "apple/MobileCLIP-S1-OpenCLIP",
}
STATED = {repository: name for name, repositories in CARDS.items() for repository in repositories.split()}


def license(model, tag, repository):
    """Of the weights, where their publisher states one: openai/CLIP, facebookresearch/MetaCLIP, and the model cards on the hub."""
    if tag == "openai":
        return "MIT"
    if repository.startswith("laion/CLIP-ViT-"):
        return "MIT"
    if repository.startswith("apple/DFN"):
        return "Apple Sample Code License"
    if tag.startswith(("metaclip_", "metaclip2_")):
        return "CC-BY-NC-4.0"
    return STATED.get(repository)


def unsupported(model):
    """Why edgeclip does not load an architecture, in a few words; None if it does."""
    config = json.loads((SOURCE / "model_configs" / f"{model}.json").read_text())
    vision, text = config.get("vision_cfg", {}), config.get("text_cfg", {})
    if "audio_cfg" in config:
        return "audio"
    if "init_logit_bias" in config:
        return "SigLIP"
    if "multimodal_cfg" in config:
        return "CoCa"
    if "timm_model_name" in vision:
        return f"image tower {vision['timm_model_name']}"
    if "hf_model_name" in text:
        return f"text tower {text['hf_model_name']}"
    return None


# Models that the profile lacks, counted by edgeclip from their configurations (as it counts ViT-B-32's 151.28 and ViT-H-14's 986.11).
COUNTED = {"ViT-H-14-378": 986.71, "ViT-H-14-worldwide": 1858.78, "ViT-H-14-worldwide-378": 1859.39, "ViT-bigG-14-worldwide": 3630.41, "ViT-bigG-14-worldwide-378": 3631.2}
profile = COUNTED | {row["model"]: float(row["mparams"]) for row in csv.DictReader((ROOT / "docs" / "model_profile.csv").open())}
lines = []
for model, tags in _PRETRAINED.items():
    if model.endswith("-quickgelu"):
        continue  # the same tags again
    fields = []
    if model in profile:
        fields.append(f"parameters: {profile[model]:g}")
    if reason := unsupported(model):
        fields.append(f"unsupported: {json.dumps(reason)}")
    lines.append(f"  {json.dumps(model)}: {{ {', '.join(fields + ['tags: {'])}")
    for tag, entry in tags.items():
        repository = re.match(r"[^/]+/[^/]+", entry["hf_hub"]).group()
        parts = [f"repository: {json.dumps(repository)}"]
        if entry.get("quick_gelu"):
            parts.append("quickGelu: true")
        if stated := license(model, tag, repository):
            parts.append(f"license: {json.dumps(stated)}")
        if tag == "openai":
            parts.append(f"file: `${{OPENAI}}{OPENAI[model]}`")
        lines.append(f"    {json.dumps(tag)}: {{ {', '.join(parts)} }},")
    lines.append("  } },")

OUT.write_text(f"""/**
 * OpenCLIP's published models, generated by test/oracle/published_models.py from open_clip's pretrained.py,
 * docs/model_profile.csv and model_configs ({COMMIT}), and openai/CLIP's clip.py. Licenses are those that the
 * publishers state: openai/CLIP's LICENSE, facebookresearch/MetaCLIP's (all its models), and the model cards on the hub (read in November 2026).
 */

export interface PublishedTag {{
  /** Where it lies on the hub. */
  readonly repository: string;
  /** Whether OpenCLIP also has it under the model's name with `-quickgelu`. */
  readonly quickGelu?: boolean;
  readonly license?: string;
  /** OpenAI's own file; its SHA-256 is in the path. */
  readonly file?: string;
}}

export interface PublishedModel {{
  /** In millions. */
  readonly parameters?: number;
  /** What of it this package does not load. */
  readonly unsupported?: string;
  readonly tags: Readonly<Record<string, PublishedTag>>;
}}

const OPENAI = 'https://openaipublic.azureedge.net/clip/models/';

// biome-ignore format: one line for each tag
export const PUBLISHED: Readonly<Record<string, PublishedModel>> = {{
{chr(10).join(lines)}
}};
""")
