"""Writes unigram_cases.json: small Unigram tokenizers, and what the `tokenizers` library makes of texts.

    pip install tokenizers==0.23.3 && python3 unigram_cases.py > unigram_cases.json
"""
import base64
import json
import struct

from tokenizers import Tokenizer


def charsmap(table):
    """SentencePiece's precompiled_charsmap of {characters: text}, a darts-clone array in front."""
    texts, root = b"", {}
    for characters, text in table.items():
        node = root
        for byte in characters.encode():
            node = node.setdefault(byte, {})
        node[None] = len(texts)
        texts += text.encode() + b"\0"
    units, used = {}, {0}

    def place(at, node):
        labels = [byte or 0 for byte in node]
        base = next(b for b in range(1, 1 << 20) if not used & {b ^ label for label in labels})
        used.update(base ^ label for label in labels)
        units[at] = units.get(at, 0) | (at ^ base) << 10 | (None in node) << 8
        for byte, child in node.items():
            if byte is None:
                units[base] = child | 1 << 31
            else:
                units[base ^ byte] = byte
                place(base ^ byte, child)

    place(0, root)
    size = (max(used) // 256 + 1) * 256
    trie = struct.pack(f"<{size}I", *(units.get(i, 0) for i in range(size)))
    return base64.b64encode(struct.pack("<I", len(trie)) + trie + texts).decode()


SPACE = "\u2581"
WORDS = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), (SPACE, -2.0), ("a", -3.5), ("b", -3.6),
         ("c", -3.75), ("ab", -6.0), ("bc", -6.0), ("abc", -8.25), (SPACE + "a", -4.0),
         (SPACE + "abc", -9.0), ("é", -4.5), ("e", -3.9), (SPACE + SPACE, -5.0), ("日本", -7.0),
         ("fi", -5.5), ("xy", -30.0), ("n", -4.0), ("1", -4.0), ("\n", -6.5),
         ("nn", -8.0)]
SPECIAL = [{"id": i, "content": t, "special": True, "normalized": False, "single_word": False,
            "lstrip": False, "rstrip": False} for i, t in enumerate(["<unk>", "<s>", "</s>"])]
TABLE = {"ﬁ": "fi", "Ａ": "a", "A": "a", "e\u0301": "é", "\t": " ", "\u200b": "", "\u00a0": " ",
         "①": "1", "\u00ad": "", "\x7f": "", "㍿": "日本 c"}
METASPACE = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": True}


def sequence(kind, *steps):
    return {"type": "Sequence", kind: list(steps)}


def unigram(vocab=WORDS, byte_fallback=False, **parts):
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": SPECIAL,
            "normalizer": None, "pre_tokenizer": METASPACE, "post_processor": None,
            "decoder": METASPACE, **parts,
            "model": {"type": "Unigram", "unk_id": 0, "vocab": vocab, "byte_fallback": byte_fallback}}


def metaspace(**changes):
    return {**METASPACE, **changes}


BYTES = WORDS + [(f"<0x{byte:02X}>", -20.0) for byte in range(256)]
LLAMA_DECODER = sequence("decoders", {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
                         {"type": "ByteFallback"}, {"type": "Fuse"},
                         {"type": "Strip", "content": " ", "start": 1, "stop": 0})
TOKENIZERS = {
    "as T5": unigram(
        normalizer=sequence("normalizers", {"type": "Precompiled", "precompiled_charsmap": charsmap(TABLE)},
                            {"type": "Strip", "strip_left": False, "strip_right": True},
                            {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": SPACE}),
        post_processor={"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}},
                                                                 {"SpecialToken": {"id": "</s>", "type_id": 0}}],
                        "pair": [], "special_tokens": {"</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]}}}),
    "as XLM-R": unigram(
        normalizer={"type": "Precompiled", "precompiled_charsmap": charsmap(TABLE)},
        pre_tokenizer=sequence("pretokenizers", {"type": "WhitespaceSplit"}, metaspace())),
    "bytes to fall back on": unigram(
        vocab=BYTES, byte_fallback=True, pre_tokenizer=None, decoder=LLAMA_DECODER,
        normalizer=sequence("normalizers", {"type": "Prepend", "prepend": SPACE},
                            {"type": "Replace", "pattern": {"String": " "}, "content": SPACE})),
    "a byte without a token": unigram(vocab=[w for w in BYTES if w[0] != "<0x7A>"], byte_fallback=True, decoder=LLAMA_DECODER),
    "a space in front of the first": unigram(pre_tokenizer=metaspace(prepend_scheme="first"),
                                             decoder=metaspace(prepend_scheme="first")),
    "no space in front, not split": unigram(
        normalizer=sequence("normalizers", {"type": "NFKC"}, {"type": "Lowercase"}),
        pre_tokenizer=metaspace(prepend_scheme="never", split=False), decoder=metaspace(prepend_scheme="never")),
    "scores over zero": unigram(vocab=[(t, s + 100 if s else 50.0) for t, s in WORDS]),
}
TEXTS = ["", "a", "abc", "abcabc", "ab bc", " abc", "  abc  a ", "   ", "xy", "xyz", "axyb", "zz a zz", "日本", "日本語",
         "日", "é", "e\u0301", "E\u0301", "ﬁ", "ﬁ\u0301", "ＡAa", "a\tb\u00a0c\u200b", "a\n\n b", "①", "㍿", "<unk>",
         "a<unk>z", "z<unk>", "<s>a b</s>abc", "a </s> b", "<0x41>", "\U0001f600a", "\u2581a", "a\u2581b",
         "\u1100\u1161\u11a8", "\r\na", "a\x00b", "n\u0303\u0303\u0303", "\u00ff", "abcbcabbca", "nnn nn",
         "\u2003a\u3000b", "\U0001f469\u200d\U0001f4bb\U0001f1eb\U0001f1f7e\u0301\u0301", "zéz日z"]
DECODES = [[3, 4], [10, 5], [14, 10, 3, 3], [3, 3, 4], [4, 10], [14], [3], [1, 10], [0, 4], [12, 15]]


def main():
    out = []
    for name, spec in TOKENIZERS.items():
        tokenizer = Tokenizer.from_str(json.dumps(spec))
        encoded = [{"text": t, "ids": tokenizer.encode(t, add_special_tokens=False).ids} for t in TEXTS]
        ids = DECODES + [c["ids"] for c in encoded]
        if "<0xE2>" in dict(spec["model"]["vocab"]):
            first = [t for t, _ in spec["model"]["vocab"]].index("<0x00>")
            ids.append([first + b for b in "a日b".encode()])
        decoded = [{"ids": i, "text": tokenizer.decode(i, skip_special_tokens=False)} for i in ids if i]
        out.append({"name": name, "tokenizer": spec, "encoded": encoded, "decoded": decoded})
    print(json.dumps(out, ensure_ascii=False, separators=(",", ":")).replace('{"name"', '\n{"name"')
          .replace('{"text"', '\n{"text"').replace('{"ids"', '\n{"ids"'))


main()
