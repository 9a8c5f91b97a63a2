"""What OpenCLIP's HFTokenizer does with a text before its tokenizer gets it (open_clip 3.3.0, tokenizer.py)."""
import html
import string

import ftfy


def basic_clean(text):
    return html.unescape(html.unescape(ftfy.fix_text(text))).strip()


def whitespace(text):
    return " ".join(basic_clean(text).split()).strip()


def canonicalize(text):
    text = basic_clean(text).replace("_", " ").translate(str.maketrans("", "", string.punctuation))
    return " ".join(text.lower().split()).strip()
