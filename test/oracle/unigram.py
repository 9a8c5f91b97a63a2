"""Texts and what OpenCLIP's HFTokenizer makes of them with a SentencePiece tokenizer as XLM-R and T5 have it (transformers' fast ones), for
a small vocabulary; and what the normalization that such tokenizers share (nmt_nfkc) makes of characters.

    pip install tokenizers==0.23.3 sentencepiece==0.2.3 ftfy==6.3.1 protobuf
    python test/oracle/unigram.py    # writes test/golden/unigram.json

The vocabulary is trained here by SentencePiece on ImageNet's names and on some sentences; its table of normalization is the published one.
HFTokenizer.__call__ (open_clip 3.3.0, tokenizer.py) cleans a text and calls the tokenizer with truncation to the context length.
"""
import base64
import io
import json
import pathlib
import random

import ftfy
import sentencepiece
import tokenizers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from cleaning import canonicalize, whitespace

GOLDEN = pathlib.Path(__file__).parent.parent / "golden"
LENGTH = 24
random.seed(17)

SENTENCES = """
a photo of a cat sitting on a red sofa
ein Foto von einem Hund im Schnee; die Straße ist naß
une photo d'un château près de l'été à Évian
una foto de un niño pequeño con una piñata
фотография кошки на красном диване, ёлка и йод
μια φωτογραφία μιας γάτας σε κόκκινο καναπέ
赤いソファに座っている猫の写真
一张猫坐在红色沙发上的照片
빨간 소파에 앉아 있는 고양이 사진
صورة قطة تجلس على أريكة حمراء
תמונה של חתול יושב על ספה אדומה
लाल सोफे पर बैठी बिल्ली की तस्वीर
ภาพถ่ายของแมวนั่งบนโซฟาสีแดง
bức ảnh một con mèo ngồi trên ghế sofa màu đỏ
""".strip().split("\n")
names = (GOLDEN / "imagenet.txt").read_text().split("\n")
corpus = [f"a photo of a {name}." for name in names if name] + SENTENCES * 20

trained = io.BytesIO()
sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(corpus), model_writer=trained, vocab_size=1200, model_type="unigram", character_coverage=0.999,
    num_threads=1, minloglevel=2)
proto = sentencepiece_model_pb2.ModelProto()
proto.ParseFromString(trained.getvalue())
charsmap = proto.normalizer_spec.precompiled_charsmap
scored = [(piece.piece, piece.score) for piece in proto.pieces[3:]]


def xlm():
    """As transformers' XLMRobertaTokenizer builds it, and as xlm-roberta-base's tokenizer.json is."""
    vocab = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *scored, ("<mask>", 0.0)]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=3, byte_fallback=False))
    tokenizer.normalizer = normalizers.Precompiled(charsmap)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")])
    tokenizer.post_processor = processors.TemplateProcessing(single=["<s>", "$A", "</s>"], special_tokens=[("<s>", 0), ("</s>", 2)])
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", AddedToken("<mask>", lstrip=True, special=True)])
    return tokenizer


def t5():
    """As transformers' SpmConverter builds T5's, with bytes for what is unknown."""
    vocab = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *[(f"<0x{i:02X}>", 0.0) for i in range(256)], *scored]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=2, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Precompiled(charsmap), normalizers.Strip(left=False, right=True), normalizers.Replace(Regex(" {2,}"), "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(single=["$A", "</s>"], special_tokens=[("</s>", 1)])
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    tokenizer.add_tokens([AddedToken("<toy>", normalized=True), AddedToken("ｗｉｄｅ", normalized=True)])
    return tokenizer


TEXTS = [
    *SENTENCES, "", "   ", "a photo of a cat", "A Photo of a CAT.", "<mask> a <s> b </s>", "a <mask>", "a<mask>b", "a <toy> b<toy>", "wide ｗｉｄｅ", "ﬁne ﬀ ①②", "ｃａｔ ＣＡＴ",
    "a\u00adb\u200bc", "e\u0301 n\u0303 o\u0308", "cafe\u0301", "a\tb\nc\u3000d\u00a0e", "▁a▁▁b", "a  b   c", "&amp;amp; &lt;cat&gt;", "l’été “quoted” …", "snake_case_photo",
    "a😀b", "😀😀 😀", "👩\u200d👩\u200d👧", "𠀀a𠀀𠀁", "ก็ น้ำ", "한글 각", "\u0000a\ufffdb", "x" * 100, "cat" * 60, "a " * 60, "猫" * 80, "schÃ¶n",
    "Å\u030a ª\u0903 ½", "ﷺ", "İstanbul ı", "ẞ ß", "don't, cat's-play/dog\\x", "$5.00 + 10% = x^2 | `y` ~z", "<0x41>", "①\u20dd", "\u0600 1", "ひ\u3099ら", "\ufeffa", "a\u0085b", "é" * 40,
]
ALPHABET = "aabcdexyz  ..,-_'éÉßΣσς猫の漢字写真\u200b\u0301\u0308\u00a0İı😀кошдиＡｃ①ﬁ½ª\u0903\u3099ひ▁"
TEXTS += ["".join(random.choice(ALPHABET) for _ in range(random.randint(1, 40))) for _ in range(80)]


def row(tokenizer, text):
    return tokenizer.encode(text).ids


both = {"xlm": xlm(), "t5": t5()}
files = {name: json.loads(tokenizer.to_str()) for name, tokenizer in both.items()}
for tokenizer in both.values():
    tokenizer.enable_truncation(LENGTH)
cases = [
    {"text": text, "xlm": row(both["xlm"], whitespace(text)), "t5": row(both["t5"], canonicalize(text)), "plain": row(both["t5"], whitespace(text))}
    for text in TEXTS
]

# Characters of long-assigned blocks, alone, before marks, and in rows.
BASES = [chr(c) for c in [*range(0x20, 0x250), *range(0x1E00, 0x1F00), *range(0x2000, 0x2400), *range(0x2460, 0x2500), *range(0x3000, 0x3100), *range(0xFB00, 0xFB07), *range(0xFE30, 0xFE50), *range(0xFF00, 0xFFEF)]]
MARKS = ["\u0300", "\u0301", "\u0303", "\u0308", "\u030a", "\u0327", "\u0338", "\u3099", "\u0903", "\u0e33", "\u200d", "\ufe0f", "\u200c"]
table = normalizers.Precompiled(charsmap)
rows = ["".join(random.choice(BASES) + (random.choice(MARKS) if random.random() < 0.4 else "") for _ in range(24)) for _ in range(250)]
normalized = [[text, table.normalize_str(text)] for text in rows]

for file in files.values():
    for step in [file["normalizer"], *file["normalizer"].get("normalizers", [])]:
        if "precompiled_charsmap" in step:
            step["precompiled_charsmap"] = "charsmap"
lines = [json.dumps(case, ensure_ascii=True) for case in cases]
(GOLDEN / "unigram.json").write_text(
    '{"versions": ' + json.dumps({"tokenizers": tokenizers.__version__, "sentencepiece": sentencepiece.__version__, "ftfy": ftfy.__version__})
    + f', "context_length": {LENGTH},\n"charsmap": "{base64.b64encode(charsmap).decode()}",\n'
    + ",\n".join(f'"{name}": {json.dumps(file, ensure_ascii=True)}' for name, file in files.items())
    + ',\n"normalized": ' + json.dumps(normalized, ensure_ascii=True) + ',\n"cases": [\n' + ",\n".join(lines) + "\n]}\n")
