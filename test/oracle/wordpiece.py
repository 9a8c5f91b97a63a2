"""Texts and what OpenCLIP's HFTokenizer makes of them with BERT's tokenizer (transformers' fast one), for a small vocabulary.

    pip install tokenizers==0.22.1 ftfy==6.3.1
    python test/oracle/wordpiece.py    # writes test/golden/wordpiece.json

HFTokenizer.__call__ (open_clip 3.3.0, tokenizer.py) cleans a text, calls transformers' BertTokenizerFast, which is the tokenizer below with
truncation and padding to the context length, and puts 0 for [SEP] if `strip_sep_token`.
"""
import json
import pathlib
import random
import string

import ftfy
import tokenizers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from cleaning import canonicalize, whitespace

OUT = pathlib.Path(__file__).parent.parent / "golden" / "wordpiece.json"
LENGTH = 16
random.seed(17)

letters = list("abcdefghijklmnopqrstuvwxyz0123456789") + list("éßøæабвгдеёжσςλινίаяのカ漢字猫ก한글ı") + list(string.punctuation) + list("“”’—…。、")
words = ["a", "photo", "of", "cat", "dog", "the", "play", "un", "##aff", "##able", "##ing", "##s", "cafe", "naive", "猫", "##ous", "don", "strass"]
vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + sorted(set(letters + ["##" + c for c in letters if c.isalnum()] + words))
ids = {token: i for i, token in enumerate(vocab)}


def make(**options):
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(**options)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])])
    tokenizer.add_special_tokens(vocab[:5])
    tokenizer.enable_truncation(LENGTH)
    return tokenizer


TEXTS = [
    "a photo of a cat", "A Photo of a CAT.", "", "   ", "unaffable", "playing dogs", "the café — naïve", "Straße ẞ", "ΟΔΟΣ ΛΙΝΊΑ Σ", "猫の写真カ",
    "漢字とcat", "한글", "don't", "[SEP] a [MASK] cat [CLS]", "[sep]", "a[MASK]b", "cat\u200bdog", "a\u00adb", "a\tb\nc\u3000d\u00a0e", "I\u0307stanbul İ ı",
    "&amp;amp; &lt;cat&gt;", "l’été “quoted” …", "Ёлка", "e\u0301 e\u0323\u0301", "x" * 100, "x" * 101, "ab" * 60, "a " * 40, "$5.00 + 10% = x^2 | `y` ~z", "snake_case_photo",
    "ก็", "a😀b", "\u0000a\ufffdb", "#hash ##ing", "ÀÉÎÕÜ", "ﬁne ﬀ", "①②", "a。b、c", "ｃａｔ", "schÃ¶n", "cat's-play/dog\\x", "𠀀a𠀀", "…—…",
]
ALPHABET = "aabcdexyz  ..,-_'#éÉßΣσς猫の漢字\u200b\u0301\u00a0İı😀[]&;"
TEXTS += ["".join(random.choice(ALPHABET) for _ in range(random.randint(1, 40))) for _ in range(60)]

lower, cased = make(lowercase=True), make(lowercase=False)


def row(tokenizer, text, strip):
    out = tokenizer.encode(text).ids
    return [0 if strip and i == ids["[SEP]"] else i for i in out]


cases = [
    {
        "text": text,
        "whitespace": row(lower, whitespace(text), False),
        "stripped": row(lower, whitespace(text), True),
        "canonicalize": row(lower, canonicalize(text), False),
        "cased": row(cased, whitespace(text), False),
    }
    for text in TEXTS
]
OUT.write_text(
    json.dumps(
        {
            "versions": {"tokenizers": tokenizers.__version__, "ftfy": ftfy.__version__},
            "context_length": LENGTH,
            "tokenizer": json.loads(lower.to_str()),
            "cases": cases,
        },
        ensure_ascii=False,
    )
    + "\n"
)
