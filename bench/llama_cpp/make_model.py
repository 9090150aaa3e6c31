"""Writes a GGUF file of Llama-3.1-8B's shape with random weights, as `llama-quantize` would store them.

    python bench/llama_cpp/make_model.py q4_0 /tmp/llama-8b.q4_0.gguf      # 4.7 GB; q8_0: 8.5 GB
"""

import sys

import gguf
import numpy as np

LAYERS, HIDDEN, WIDTH, VOCABULARY = 32, 4096, 14336, 128256
HEADS, KV_HEADS, HEAD = 32, 8, 128
# Type, elements and bytes of a block; where its F16 scale is, and one that gives weights a deviation of about 1/64.
TYPES = {
    "Q4_0": (32, 18, 0, 0.0034),
    "Q8_0": (32, 34, 0, 0.00021),
    "Q6_K": (256, 210, 208, 0.000012),
}


def random_rows(random, kind, rows, columns):
    elements, block, at, scale = TYPES[kind]
    pool = random.integers(0, 256, (1 << 16, block), dtype=np.uint8)
    pool[:, at : at + 2] = np.full(1 << 16, scale, dtype=np.float16).view(np.uint8).reshape(-1, 2)
    return pool[random.integers(0, 1 << 16, rows * columns // elements)].reshape(rows, -1)


def tensors(kind):
    """Names, types and shapes, in the order of the file."""
    yield "token_embd.weight", kind, (VOCABULARY, HIDDEN)
    for layer in range(LAYERS):
        prefix = f"blk.{layer}."
        for name in ("attn_norm", "ffn_norm"):
            yield prefix + name + ".weight", "F32", (HIDDEN,)
        yield prefix + "attn_q.weight", kind, (HEADS * HEAD, HIDDEN)
        yield prefix + "attn_k.weight", kind, (KV_HEADS * HEAD, HIDDEN)
        yield prefix + "attn_v.weight", kind, (KV_HEADS * HEAD, HIDDEN)
        yield prefix + "attn_output.weight", kind, (HIDDEN, HEADS * HEAD)
        yield prefix + "ffn_gate.weight", kind, (WIDTH, HIDDEN)
        yield prefix + "ffn_up.weight", kind, (WIDTH, HIDDEN)
        yield prefix + "ffn_down.weight", kind, (HIDDEN, WIDTH)
    yield "output_norm.weight", "F32", (HIDDEN,)
    yield "output.weight", "Q6_K" if kind == "Q4_0" else kind, (VOCABULARY, HIDDEN)


def add_metadata(writer):
    writer.add_block_count(LAYERS)
    writer.add_context_length(8192)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(500000.0)
    writer.add_rope_dimension_count(HEAD)
    # A vocabulary of the size: the bytes, and words that no text has.
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(b) for b in visible] + [chr(256 + i) for i in range(256 - len(visible))]
    words = letters + ["aa"] + [f"<word{i}>" for i in range(VOCABULARY - 257)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list(words)
    writer.add_token_types([1] * 128000 + [3] * (VOCABULARY - 128000))
    writer.add_token_merges(["a a"])
    writer.add_bos_token_id(128000)
    writer.add_eos_token_id(128001)


def main():
    kind, path = sys.argv[1].upper(), sys.argv[2]
    random = np.random.default_rng(1)
    writer = gguf.GGUFWriter(path, "llama")
    add_metadata(writer)
    for name, stored, shape in tensors(kind):
        if stored == "F32":
            writer.add_tensor_info(name, shape, np.dtype(np.float32), shape[0] * 4)
            continue
        elements, block, _, _ = TYPES[stored]
        raw = (shape[0], shape[1] // elements * block)
        writer.add_tensor_info(name, raw, np.dtype(np.uint8), raw[0] * raw[1], gguf.GGMLQuantizationType[stored])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for _, stored, shape in tensors(kind):
        ones = np.ones(shape, np.float32) if stored == "F32" else random_rows(random, stored, *shape)
        writer.write_tensor_data(ones)
    writer.close()


main()
