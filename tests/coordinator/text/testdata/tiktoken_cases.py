"""Makes tiktoken.model, a small vocabulary in tiktoken's format, and tiktoken_cases.json: texts and what the PyPI
packages tiktoken 0.14.0 and regex make of them with Kimi's expression. Run in this folder.

    python3 -m venv V && V/bin/pip install tiktoken==0.14.0 && V/bin/python tiktoken_cases.py
"""

import base64
import collections
import json

import regex
import tiktoken

PATTERN = "|".join(
    [
        r"[\p{Han}]+",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*"
        r"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+"
        r"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)
SPECIAL = {"[BOS]": 700, "[EOS]": 701, "<|im_end|>": 702, "<|im_user|>": 703, "<|tool_call_begin|>": 704}
TEXTS = [
    "The capital of France is Paris, isn't it? They're sure; we've asked. I'LL say so.",
    "你好，世界。今天天气很好、真的。",
    "mixed中文and English词words 汉字kanji カタカナひらがな한국어",
    "々〆〇 ー ・ 「引用」 ｱｲｳ ㍿ ㈱ 🀄",
    "a  b\n\n  c\t d   \n \r\n\r\n   x",
    "café naïve Über ÀÉÎ e\u0301 \u0301x ǅ ʰ ªº",
    "0 12 345 6789 ١٢٣ Ⅷ ½ 10000000000",
    "def f(x):\n    return x*2  # comment\n",
    "aa aaa aaaa aaaaa aaaaaa aaaaaaa abab ababab abababab",
    "aaaaa" * 9 + " " + "ab" * 23,
    "[BOS]<|im_user|>user: hi<|im_end|>[EOS]<|tool_call_begin|>f:0 <|im_en|>",
    "\u200b\u2028\u00a0\u3000 \u180e tail   ",
    "🚀🎉👨‍👩‍👧 flags🇩🇪 \U00020000\U0002a6d6𠮷",
    "",
    " ",
    "    indented CamelCaseWords HTTPServer iPhone snake_case $100 50% C++",
    "Русский текст Ελληνικά עברית العربية ไทย हिन्दी",
]


def train(count):
    """Ranks of the bytes and of `count` merges, the most frequent first; and some that can be made in two ways."""
    words = [word.encode() for text in TEXTS[:9] + TEXTS[15:] for word in regex.findall(PATTERN, text, regex.V1)]
    ranks = {bytes([i]): i for i in range(256)}
    words = [[bytes([b]) for b in word] for word in words]
    while len(ranks) < 256 + count:
        pairs = collections.Counter(pair for word in words for pair in zip(word, word[1:]))
        left, right = max(pairs, key=lambda pair: (pairs[pair], pair))
        ranks[left + right] = len(ranks)
        for word in words:
            i = 0
            while i + 1 < len(word):
                if word[i] == left and word[i + 1] == right:
                    word[i : i + 2] = [left + right]
                i += 1
    for token in (b"aa", b"aaa", b"aaaa", b"ab", b"aba", b"bab", b"abab", b"ba"):
        ranks.setdefault(token, len(ranks))
    return ranks


def main():
    ranks = train(250)
    with open("tiktoken.model", "w", encoding="ascii") as file:
        file.writelines(f"{base64.b64encode(token).decode()} {rank}\n" for token, rank in ranks.items())
    encoding = tiktoken.Encoding("kimi", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens=SPECIAL)
    cases = [{"text": text, "ids": encoding.encode(text, allowed_special="all")} for text in TEXTS]
    decoder = {str(id): {"content": text, "special": "tool" not in text} for text, id in SPECIAL.items()}
    config = {"added_tokens_decoder": decoder, "bos_token": "[BOS]", "eos_token": "[EOS]"}
    with open("tiktoken_cases.json", "w", encoding="utf-8") as file:
        lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
        file.write(f'{{"config": {json.dumps(config)},\n"cases": [\n{lines}\n]}}\n')


main()
