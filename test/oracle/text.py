"""Writes test/golden/cleaning.json: texts, and what OpenAI's own code makes of them; and test/golden/added-tokens.json:
what Hugging Face's tokenizers library makes of texts with added tokens.

    python -m venv venv && venv/bin/pip install ftfy regex tokenizers && venv/bin/pip install --no-deps openai-clip
    venv/bin/python test/oracle/text.py
    venv/bin/python test/oracle/text.py added

`simple_tokenizer.py` of the package is loaded as it is (its `__init__` would need PyTorch). The variants without HTML
entities or without repairs replace these by what Hugging Face's normalizer does: NFC alone.
"""

import html
import importlib.metadata
import importlib.util
import json
import pathlib
import platform
import random
import sys
import unicodedata

import ftfy
import regex

root = pathlib.Path(__file__).parents[2]
distribution = importlib.metadata.distribution("openai-clip")
spec = importlib.util.spec_from_file_location("simple_tokenizer", distribution.locate_file("clip/simple_tokenizer.py"))
published = importlib.util.module_from_spec(spec)
spec.loader.exec_module(published)
tokenizer = published.SimpleTokenizer()


def clean(text, html_entities=True, repairs=True):
    if repairs:
        text = ftfy.fix_text(text, unescape_html="auto" if html_entities else False)
    else:
        text = unicodedata.normalize("NFC", text)
    if html_entities:
        text = html.unescape(html.unescape(text))
    return published.whitespace_clean(text.strip()).lower()


def tokenize(text):
    """clip.tokenize(text, truncate=True), without the padding."""
    ids = [tokenizer.encoder["<|startoftext|>"], *tokenizer.encode(text), tokenizer.encoder["<|endoftext|>"]]
    if len(ids) > 77:
        ids = ids[:77]
        ids[-1] = tokenizer.encoder["<|endoftext|>"]
    return ids


PHRASES = [
    "schön, größer, Äpfel & Übermut",
    "l’été à la plage — déjà vu…",
    "“quoted” and ‘single’ „low“ ‚quotes‘",
    "naïve café résumé",
    "à la mode à São Paulo, às vezes",
    "Привет, мир! Ёлка",
    "Ελληνικά γράμματα, ΟΔΟΣ Σ",
    "日本語の写真",
    "中文 测试",
    "한국어 사진",
    "العربية صورة",
    "हिन्दी चित्र",
    "🐱 cat 👨‍👩‍👧‍👦 family 🇩🇪",
    "price: 5 € or £4, ½ °C, 10² × 3",
    "Łódź żółć ąę Český ů",
    "İstanbul ığdır ŞĞ",
    "Rīga Ķīpsala ģ",
    "™ © ® • † ‡ ‰",
]
HAND = [
    "", " ", "\u3000", "a\u00a0b\u2003c\u200bd", "  A \t\n\r\n b\u2028c\u2029d\x85e ", "a\x1cb\x1f", "\x1c a \x1f",
    "ＬＯＵＤ　ＮＯＩＳＥＳ", "Ｕﾀｰﾝ ｶﾞｷﾞ ﾡ ￦ ￥", "ﬂuﬃeﬆ ﬅ ﬁ Ǆ ĳ ŉ Ǉubljana", "\x1b[36;44mblue\x1b[0m \x1b[1;31", "a\x00b\x07c\x7fd\ufeffe\ufffcf",
    "\ufeffbom first", "e\u0301 a\u030a \u0041\u0323\u0307", "\u1100\u1161\u11a8", "\ud83d", "x\udca9y", "\ud83d\udca9", "\udca9\ud83d",
    "a &lt;b&gt; &amp;amp; c", "&amp;amp;amp;amp;lt;", "<p>&eacute; &amp;eacute;", "line &eacute;\n<b>\n&eacute;", "&EACUTE; &SZLIG; &nTILDE; &NTILDE;",
    "&notit; &notin; &not", "this&not that", "&copy2024 &COPY &AMP &AMP; &amp", "&#39;&#x27;&#X27; &#128512; &#x1F600", "&#128; &#x80; &#150; &#159",
    "&#0; &#1; &#8; &#11; &#12; &#13; &#31; &#127; &#xfdd0; &#xfffe; &#x1ffff; &#xd800; &#x110000; &#99999999999;", "&#59; &#12ab; &#xyz; &#; &; &#x;",
    "&CounterClockwiseContourIntegral; &Jscr; &HilbertSpace; &NotEqualTilde; &acE;", "&frac12; &FRAC12; &sup2; &SUP2;", "&hellip;&mdash;&rsquo;", "a&#x301; e&#x301;",
    "&amp;#38;#38; &#38;#38;#38;lt;", "&macr;\\_(ã\x83\x84)_/&macr;", "Broken text&hellip; it&#x2019;s ﬂubberiﬁc!", "&Atilde;&copy;", "<&Atilde;&copy;",
    "âœ” No problems", "â€œ like this â€�", "voilÃ le travail", "fÃ cil", "sÃ³", "Ã la carte", "Ã\xa0 la", "IT’S ‘‘SO’’ COOL…", "doesnâ€™t", "donÃ¢â‚¬â„¢t",
    "ÃƒÂ©", "ÃÂ©", "â\x80\x93 dash", "I’m such a tÃ©st", "aÌŠ", "Â£5", "cafÃ\xa9", "rÃ©sumÃ© in a good text: naïve", "Ð\x9fÑ\x80Ð¸Ð²ÐµÑ‚", "ÐŸÑ€Ð¸Ð²ÐµÑ‚", "РџСЂРёРІРµС‚",
    "ÎšÎ±Î»Î·Î¼Î­ÏÎ±", "Ã¥Â±Â±", "ðŸ±", "ðŸ˜‚ðŸ˜‚", "\xf0\x9f\x98\x82", "í ½í¸\x8d", "\xed\xa0\xbd\xed\xb8\x8d", "\xc0\x80 nul Ã©", "Ã¤\x81", "\x91quoted\x92", "\x85", "caf\x8e",
    "├⌐", "Ôäó", "‚Äòhello‚Äô", "‚àö", "√©t√©", "Ã©�", "ä½ å¥½", "l’Ã©tÃ©", "œuvre, Œuvre", "Ø§Ù„Ø¹Ø±Ø¨ÙŠØ©", "à²¬à³†à²‚", "×©×œ×•×", "100â€¯%",
    "Ã", "Ã ", " Â ", "Â", "â", "â€", "A²", "Å°", "ß°", "¿Qué? ¡Sí!", "(ง'̀-'́)ง ಠ_ಠ ʕ•ᴥ•ʔ ヽ(´ー`)ノ ┬─┬ノ( º _ ºノ)", "Ö×Ü", "MÃ¼nchen und München", "•Ã¡•", "ÄÖÜäöüß",
    "İ I ı i\u0307 ΑΣ ΑΣ. ΑΣΑ Σ ΣΣ 'Σ ΑΣ\u0301 ǅ ẞ K Å", "<|startoftext|> hi <|endoftext|>", "!<|endoftext|> a<|ENDOFTEXT|>b", "<|startoftext|", "it'ſ ſo 'ſ don'ſt", "q\u0345 !\u0345! \u0345",
    "it's I'LL we'Ve '' ''s 's's", "a\u0085b", "!\ufeff!", "&#xFEFF;x&#xFEFF;!", "١٢٣ ²³ Ⅷ ½", "_a_ a_b", "a" * 300, "ab" * 200 + " end", "!" * 200, "." * 77, "\u0301" * 3, "a" + "\u0301\u0323" * 40,
    "supercalifragilisticexpialidocious" * 12, "x y " * 60, "日" * 90, "🐱" * 40, "hello</w> world</w>", "Ġhello \u0120", "\u200dx\u200c", "tab\tsep|pipe", "$& {} {label}",
]
ENCODINGS = ["latin-1", "cp1252", "cp1251", "cp1250", "cp1253", "cp1254", "cp1257", "iso-8859-2", "mac-roman", "cp437"]
SLOPPY = {name: name.replace("cp125", "sloppy-windows-125") for name in ENCODINGS}


def misread(text, encoding):
    return text.encode("utf-8", "surrogatepass").decode(SLOPPY[encoding], "replace")


def corpus():
    texts = list(HAND) + PHRASES
    for phrase in PHRASES:
        for encoding in ENCODINGS:
            texts.append(misread(phrase, encoding))
        twice = misread(misread(phrase, "cp1252"), "cp1252")
        texts += [twice, phrase + " | " + misread(phrase, "cp1252"), misread(phrase, "cp1252").replace("\xa0", " "), phrase.encode("utf-8").decode("cp1252", "replace"), misread(phrase, "cp1252").upper()]
    return texts


def fuzz(count, seed):
    """Random mixtures, for a comparison larger than the fixture."""
    chance = random.Random(seed)
    pieces = HAND + PHRASES + ["&amp;", "&lt;", "&eacute", ";", " ", "\n", "Ã", "Â", "â€", "€", "™", "°", "ð", "Ÿ", "'s", "Σ", "<", "\u0301", "\x81", "\x9d", "\ufffd", "?", "\xa0"]
    alphabet = "".join(bytes(range(128, 256)).decode(SLOPPY[name]) for name in ENCODINGS) + "abc XYZ 12 .,!?'&;<" * 6
    texts = []
    for _ in range(count):
        kind = chance.random()
        if kind < 0.4:
            text = "".join(chance.choice(alphabet) for _ in range(chance.randint(1, 14)))
        elif kind < 0.7:
            text = "".join(misread(chance.choice(pieces)[:12], chance.choice(ENCODINGS)) if chance.random() < 0.5 else chance.choice(pieces)[:12] for _ in range(chance.randint(1, 5)))
        elif kind < 0.85:
            text = misread("".join(chr(chance.choice([chance.randint(32, 0x24F), chance.randint(0x370, 0x52F), chance.randint(0x2000, 0x2122), chance.randint(0x1F300, 0x1F64F)])) for _ in range(chance.randint(1, 6))), chance.choice(ENCODINGS))
        else:
            text = "".join("&" + chance.choice(["#", "#x", "", ""]) + chance.choice(["amp", "AMP", "not", "lt", "Eacute", "EACUTE", "szlig", "39", "80", "x27", "frac12", "notin", "zz", "hearts"]) + chance.choice(["", ";", ";;", " ", "q"]) for _ in range(chance.randint(1, 4)))
        texts.append(text)
    return texts


def is_settled(text):
    """Whether every character is assigned in the oldest Unicode tables at hand; on others the tables disagree."""
    return not any(unicodedata.category(char) == "Cn" for char in clean(text) if char < "\ufdd0" or char > "\uffff")


def case(text):
    entry = {"text": text, "cleaned": clean(text), "ids": tokenize(text)}
    for name, options in [("withoutEntities", dict(html_entities=False)), ("withoutRepairs", dict(repairs=False)), ("bare", dict(html_entities=False, repairs=False))]:
        cleaned = clean(text, **options)
        if cleaned != entry["cleaned"]:
            entry[name] = cleaned
    return entry


def added(content, **flags):
    return {"content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": True, "special": False, **flags}


# Added tokens, and texts in which Hugging Face's own cleaning and OpenAI's agree.
ADDED = [
    ([added("<my-toy>")], ["a photo of <my-toy> here", "<my-toy>", "<MY-TOY><my-toy>s", "a<my-toy>b", "<my-toy", "<my- toy>", "!<my-toy>!", "'<my-toy>'s", "<my-<my-toy>toy>"]),
    ([added("<my-toy>", normalized=False)], ["a photo of <my-toy> here", "<MY-TOY><my-toy>s", "a <my-toy>  <my-toy>"]),
    ([added("<My-Toy>", normalized=False, special=True)], ["a <My-Toy> or <my-toy>", "<My-Toy>s"]),
    ([added("<My-Toy>")], ["a <My-Toy> or <my-toy> or <MY-TOY>"]),
    ([added("toy", single_word=True)], ["toy", "toys", "my toy!", "toy-box", "mytoy", "_toy", "toy_", "toy1", "étoy toyé", "toytoy toy", "日toy 日 toy", "🐱toy🐱"]),
    ([added("toy")], ["toys", "mytoy box", "toytoy", "to y"]),
    ([added("Toy", single_word=True, normalized=False)], ["a toy, a Toy, Toys, aToy"]),
    ([added("<l>", lstrip=True), added("<r>", rstrip=True), added("<lr>", lstrip=True, rstrip=True)], ["a <l> b", "a <r> b", "a  <lr>  b", "<l> <r> <lr>", "a<r><l> b <r>", "<r> <l>"]),
    ([added("<l>", lstrip=True, normalized=False), added(" box"), added("box ", rstrip=True)], ["a <l> box", "my box here", "mybox here", "<l> box <l> box ", "box  box", "box box box"]),
    ([added("<r>", rstrip=True, normalized=False), added(" box")], ["<r> box", "<r>  box", "a box<r> box", "<r>a box"]),
    ([added("<r>", rstrip=True), added(" box")], ["<r> box", "a box <r> box", "<r><r>  box"]),
    ([added("new york"), added("york city"), added("new york city hall")], ["new york city", "new york city hall", "in new  york city", "New York\tCity Hall", "new york city hal"]),
    ([added("ab"), added("abcd"), added("bcde"), added("cd", normalized=False)], ["abcde", "abce", "bcdeab", "xabcdx", "a b ab"]),
    ([added("<x>"), added("<X>")], ["<x> <X>"]),
    ([added("<x>"), added("<X>", special=True)], ["<x> <X>"]),
    ([added("<x>", normalized=False), added("<X>")], ["<x> <X>"]),
    ([added("!", special=True, normalized=False)], ["hi! there!!", "!"]),
    ([added("cat</w>", normalized=False)], ["cat cat</w> cats"]),
    ([added("a  b")], ["a b a  b"]),
    ([added("<|endoftext|>x", normalized=False)], ["<|endoftext|>x cat", "<|endoftext|> x"]),
    ([added("ÉTÉ")], ["un été, ÉTÉ, e\u0301te\u0301"]),
    ([added("🐱")], ["a 🐱 and 🐱🐱 and 🐶"]),
    ([added("")], ["a cat"]),
]


def added_tokens():
    import tokenizers

    plain = json.loads((root / "test/golden/clip-tokenizer/tokenizer.json").read_text("utf-8"))
    cases = []
    for tokens, texts in ADDED:
        vocabulary = dict(plain["model"]["vocab"])
        entries = []
        for token in tokens:
            if token["content"] and token["content"] not in vocabulary:
                vocabulary[token["content"]] = len(vocabulary)
            entries.append({"id": vocabulary.get(token["content"], len(vocabulary)), **token})
        loaded = tokenizers.Tokenizer.from_str(json.dumps({**plain, "added_tokens": plain["added_tokens"] + entries}))
        cases.append({"added": entries, "texts": {text: loaded.encode(text).ids for text in texts}})
    body = ",\n".join(json.dumps(case) for case in cases)
    about = "made by test/oracle/text.py added; added tokens beside BOS and EOT of clip-tokenizer/tokenizer.json"
    target = root / "test/golden/added-tokens.json"
    target.write_text(f'{{"versions": {{"tokenizers": "{tokenizers.__version__}"}},\n"about": "{about}",\n"cases": [\n{body}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["added"]:
        sys.exit(added_tokens())
    versions = {
        "python": platform.python_version(),
        "unicode": unicodedata.unidata_version,
        "ftfy": importlib.metadata.version("ftfy"),
        "regex": importlib.metadata.version("regex"),
        "openai-clip": distribution.version,
    }
    texts = fuzz(int(sys.argv[1]), 7) if len(sys.argv) > 1 else list(dict.fromkeys(corpus() + fuzz(150, 1)))
    lines = ",\n".join(json.dumps(case(text)) for text in texts if is_settled(text))
    body = f'{{"versions": {json.dumps(versions)},\n"about": "made by test/oracle/text.py; a variant that is missing equals `cleaned`",\n"cases": [\n{lines}\n]}}\n'
    target = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else root / "test/golden/cleaning.json"
    target.write_text(body, encoding="utf-8")
