"""Times llama.cpp (its bindings in the PyPI package xllamacpp) on a GGUF file: prints tokens/s of decode at batch 1 behind
128 tokens, and of a prompt of 512.

    python bench/llama_cpp/run_llama_cpp.py FILE.gguf THREADS [ROUNDS]
"""

import random
import statistics
import sys

import xllamacpp

CONTEXT, GENERATED, PROMPT = 128, 32, 512


def main():
    params = xllamacpp.CommonParams()
    params.model.path = sys.argv[1]
    params.n_ctx = 1024
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = int(sys.argv[2])
    server = xllamacpp.Server(params)
    draw = random.Random(1)

    def timings(length, generated):
        prompt = [draw.randrange(257, 128000) for _ in range(length)]
        fields = {"prompt": prompt, "n_predict": generated, "ignore_eos": True, "cache_prompt": False}
        return server.handle_completions(fields)["timings"]

    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 2
    timings(CONTEXT, 4)
    decode = [timings(CONTEXT, GENERATED)["predicted_per_second"] for _ in range(rounds)]
    prefill = [timings(PROMPT, 1)["prompt_per_second"] for _ in range(rounds)]
    print(f"decode {statistics.median(decode):.2f} prefill {statistics.median(prefill):.2f}")


main()
