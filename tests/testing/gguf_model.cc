#include "tests/testing/gguf_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <numbers>
#include <regex>

#include "base/file.h"
#include "base/json.h"
#include "kernels/dtype.h"
#include "tests/worker/weights/checkpoint_files.h"
#include "worker/weights/checkpoint.h"

namespace switchyard::testing {
namespace {

using worker::Checkpoint;
using worker::FileDtype;
using worker::TensorInfo;

constexpr uint32_t kF32 = 0, kF16 = 1, kBf16 = 30, kMxfp4 = 39;

Json ReadJson(const std::string& path) { return *ParseJson(*ReadFile(path, 64 << 20)); }

template <typename To, typename From>
std::string BytesAs(const std::vector<float>& values, From convert) {
  std::vector<To> converted;
  for (const float value : values) converted.push_back(convert(value));
  return std::string(reinterpret_cast<const char*>(converted.data()),
                     converted.size() * sizeof(To));
}

std::vector<float> FloatsOf(const Checkpoint& checkpoint, const TensorInfo& tensor) {
  const std::string bytes = worker::TensorBytes(checkpoint, tensor.name);
  std::vector<float> values;
  const auto* const narrow = reinterpret_cast<const uint16_t*>(bytes.data());
  if (tensor.dtype == FileDtype::kF32) {
    values.resize(bytes.size() / 4);
    std::memcpy(values.data(), bytes.data(), bytes.size());
  } else {
    for (size_t i = 0; i < bytes.size() / 2; ++i) {
      values.push_back(tensor.dtype == FileDtype::kBf16
                           ? ToFloat(static_cast<kernels::Bf16>(narrow[i]))
                           : ToFloat(static_cast<kernels::F16>(narrow[i])));
    }
  }
  return values;
}

struct Name {
  const char* from;
  const char* to;
};
constexpr Name kNames[] = {
    {R"(^model\.embed_tokens)", "token_embd"},
    {R"(^model\.norm)", "output_norm"},
    {R"(^lm_head)", "output"},
    {R"(^model\.layers\.)", "blk."},
    {R"(input_layernorm)", "attn_norm"},
    {R"(self_attn\.q_norm)", "attn_q_norm"},
    {R"(self_attn\.k_norm)", "attn_k_norm"},
    {R"(self_attn\.q_proj)", "attn_q"},
    {R"(self_attn\.k_proj)", "attn_k"},
    {R"(self_attn\.v_proj)", "attn_v"},
    {R"(self_attn\.o_proj)", "attn_output"},
    {R"(self_attn\.sinks$)", "attn_sinks.weight"},
    {R"(self_attn\.kv_a_proj_with_mqa)", "attn_kv_a_mqa"},
    {R"(self_attn\.kv_a_layernorm)", "attn_kv_a_norm"},
    {R"(self_attn\.kv_b_proj)", "attn_kv_b"},
    {R"(mlp\.shared_experts\.(gate|up|down)_proj)", "ffn_$1_shexp"},
    {R"(mlp\.(gate|up|down)_proj)", "ffn_$1"},
    {R"(mlp\.(gate|router)\.)", "ffn_gate_inp."},
};

class ModelWriter {
 public:
  ModelWriter(const std::string& folder, const StoreMatrix& store, int num_parts)
      : config_(ReadJson(folder + "/config.json")),
        tokenizer_(ReadJson(folder + "/tokenizer.json")),
        tokenizer_config_(ReadJson(folder + "/tokenizer_config.json")),
        checkpoint_(*Checkpoint::Open(folder)),
        store_(store),
        parts_(size_t(num_parts)) {
    const std::string type = config_["model_type"];
    arch_ = type == "gemma3_text"   ? "gemma3"
            : type == "qwen3_moe"   ? "qwen3moe"
            : type == "gpt_oss"     ? "gpt-oss"
            : type == "deepseek_v2" ? "deepseek2"
                                    : type;
  }

  void set_mla_halves() { mla_halves_ = true; }

  std::vector<std::string> Bytes() {
    WriteKeys();
    WriteTokenizer();
    for (const TensorInfo& tensor : checkpoint_.tensors()) WriteTensor(tensor);
    for (auto& [name, all] : experts_) WriteExperts(name, all);
    std::vector<std::string> bytes;
    for (uint32_t i = 0; i < parts_.size(); ++i) {
      if (parts_.size() > 1) {
        parts_[i].U32("split.no", i);
        parts_[i].U32("split.count", uint32_t(parts_.size()));
        parts_[i].U32("split.tensors.count", num_tensors_);
      }
      bytes.push_back(parts_[i].Bytes());
    }
    return bytes;
  }

 private:
  struct Experts {
    int64_t rows = 0, columns = 0;
    std::map<int, std::vector<float>> values;
  };

  GgufWriter& first() { return parts_[0]; }
  // Tensors go to all parts in turn.
  GgufWriter& NextPart() { return parts_[num_tensors_++ % parts_.size()]; }

  bool Has(const char* field) const { return config_.contains(field) && !config_[field].is_null(); }
  std::string Key(const std::string& key) const { return arch_ + "." + key; }
  void U32(const std::string& key, const char* field) {
    if (Has(field)) first().U32(Key(key), config_[field].get<uint32_t>());
  }
  void F32(const std::string& key, const char* field) {
    if (Has(field)) first().F32(Key(key), config_[field].get<float>());
  }
  int64_t Number(const char* field) const { return config_[field].get<int64_t>(); }

  void WriteKeys() {
    first().Text("general.architecture", arch_);
    U32("block_count", "num_hidden_layers");
    U32("context_length", "max_position_embeddings");
    U32("embedding_length", "hidden_size");
    U32("feed_forward_length", "intermediate_size");
    U32("attention.head_count", "num_attention_heads");
    U32("attention.head_count_kv", "num_key_value_heads");
    F32("attention.layer_norm_rms_epsilon", "rms_norm_eps");
    F32("rope.freq_base", "rope_theta");
    if (arch_ != "deepseek2") {
      U32("attention.key_length", "head_dim");
      U32("attention.value_length", "head_dim");
    }
    if (arch_ == "gemma3" || arch_ == "gpt-oss") U32("attention.sliding_window", "sliding_window");
    U32("expert_used_count", "num_experts_per_tok");
    U32("expert_count", Has("n_routed_experts") ? "n_routed_experts"
                        : Has("num_experts")    ? "num_experts"
                                                : "num_local_experts");
    U32("expert_feed_forward_length",
        arch_ == "gpt-oss" ? "intermediate_size" : "moe_intermediate_size");
    if (arch_ == "deepseek2") WriteDeepseekKeys();
    WriteRope();
  }

  void WriteDeepseekKeys() {
    U32("attention.q_lora_rank", "q_lora_rank");
    U32("attention.kv_lora_rank", "kv_lora_rank");
    const auto key_length = uint32_t(Number("qk_nope_head_dim") + Number("qk_rope_head_dim"));
    if (mla_halves_) {  // those of the absorbed form stand in the old places
      const auto latent = uint32_t(Number("kv_lora_rank"));
      first().U32(Key("attention.key_length"), latent + uint32_t(Number("qk_rope_head_dim")));
      first().U32(Key("attention.value_length"), latent);
      first().U32(Key("attention.key_length_mla"), key_length);
      U32("attention.value_length_mla", "v_head_dim");
    } else {
      first().U32(Key("attention.key_length"), key_length);
      U32("attention.value_length", "v_head_dim");
    }
    U32("rope.dimension_count", "qk_rope_head_dim");
    U32("leading_dense_block_count", "first_k_dense_replace");
    U32("expert_shared_count", "n_shared_experts");
    F32("expert_weights_scale", "routed_scaling_factor");
    first().Bool(Key("expert_weights_norm"), config_["norm_topk_prob"].get<bool>());
  }

  void WriteRope() {
    if (!Has("rope_scaling")) return;
    const Json& scaling = config_["rope_scaling"];
    const std::string kind = scaling.contains("rope_type") ? scaling["rope_type"] : scaling["type"];
    if (kind == "llama3") return WriteDivisors(scaling);
    first().Text(Key("rope.scaling.type"), kind);
    first().F32(Key("rope.scaling.factor"), scaling["factor"].get<float>());
    first().U32(Key("rope.scaling.original_context_length"),
                scaling["original_max_position_embeddings"].get<uint32_t>());
    if (scaling.contains("mscale_all_dim")) {
      first().F32(Key("rope.scaling.yarn_log_multiplier"),
                  0.1f * scaling["mscale_all_dim"].get<float>());
    }
  }

  void WriteDivisors(const Json& scaling) {
    const double context = scaling["original_max_position_embeddings"].get<double>();
    const double low = scaling["low_freq_factor"].get<double>();
    const double high = scaling["high_freq_factor"].get<double>();
    const double factor = scaling["factor"].get<double>();
    const int64_t dim = Number("hidden_size") / Number("num_attention_heads");
    std::vector<float> divisors;
    for (int64_t i = 0; i < dim; i += 2) {
      const double frequency = 1 / std::pow(config_["rope_theta"].get<double>(), double(i) / dim);
      const double wavelength = 2 * std::numbers::pi / frequency;
      if (wavelength < context / high) {
        divisors.push_back(1);
      } else if (wavelength > context / low) {
        divisors.push_back(float(factor));
      } else {
        const double smooth = (context / wavelength - low) / (high - low);
        divisors.push_back(float(1 / ((1 - smooth) / factor + smooth)));
      }
    }
    NextPart().Tensor("rope_freqs.weight", {std::ssize(divisors)}, kF32,
                      AsF32("", 1, divisors).bytes);
  }

  void WriteTokenizer();

  std::string GgufName(const std::string& name) const {
    std::string gguf = name;
    if (arch_ == "gemma3") {
      gguf =
          std::regex_replace(gguf, std::regex("post_attention_layernorm"), "post_attention_norm");
      gguf = std::regex_replace(gguf, std::regex("pre_feedforward_layernorm"), "ffn_norm");
      gguf = std::regex_replace(gguf, std::regex("post_feedforward_layernorm"), "post_ffw_norm");
    }
    gguf = std::regex_replace(gguf, std::regex("post_attention_layernorm"),
                              arch_ == "gpt-oss" ? "post_attention_norm" : "ffn_norm");
    for (const Name& rule : kNames) {
      gguf = std::regex_replace(gguf, std::regex(rule.from), rule.to);
    }
    return gguf;
  }

  // Rows of each head from halves to pairs, as the converter has it for llama alone.
  std::vector<float> Paired(const std::vector<float>& values, int64_t rows, int64_t heads) const {
    std::vector<float> paired;
    const int64_t columns = std::ssize(values) / rows, half = rows / heads / 2;
    for (int64_t head = 0; head < heads; ++head) {
      for (int64_t i = 0; i < half; ++i) {
        for (int64_t side = 0; side < 2; ++side) {
          const auto from = values.begin() + (head * 2 * half + side * half + i) * columns;
          paired.insert(paired.end(), from, from + columns);
        }
      }
    }
    return paired;
  }

  void WriteTensor(const TensorInfo& tensor) {
    if (tensor.name.find(".experts.") != std::string::npos) return TakeExpert(tensor);
    if (mla_halves_ && tensor.name.ends_with("kv_b_proj.weight")) return WriteHalves(tensor);
    std::vector<float> values = FloatsOf(checkpoint_, tensor);
    const std::string name = GgufName(tensor.name);
    if (arch_ == "llama" && name.ends_with("attn_q.weight")) {
      values = Paired(values, tensor.shape[0], Number("num_attention_heads"));
    }
    if (arch_ == "llama" && name.ends_with("attn_k.weight")) {
      values = Paired(values, tensor.shape[0], Number("num_key_value_heads"));
    }
    if (arch_ == "gemma3" && name.find("norm") != std::string::npos) {
      for (float& value : values) value += 1;
    }
    const bool plain = tensor.shape.size() < 2 || name.find("ffn_gate_inp") != std::string::npos;
    const StoredMatrix stored =
        plain ? AsF32(name, 1, values) : store_(tensor.name, tensor.shape.back(), values);
    NextPart().Tensor(name, tensor.shape, stored.type, stored.bytes);
  }

  // Of each head the rows of keys, turned, and those of values.
  void WriteHalves(const TensorInfo& tensor) {
    const std::vector<float> whole = FloatsOf(checkpoint_, tensor);
    const int64_t heads = Number("num_attention_heads"), latent = Number("kv_lora_rank");
    const int64_t nope = Number("qk_nope_head_dim"), value = Number("v_head_dim");
    std::vector<float> keys, values;
    for (int64_t head = 0; head < heads; ++head) {
      const float* const rows = whole.data() + head * (nope + value) * latent;
      for (int64_t column = 0; column < latent; ++column) {
        for (int64_t row = 0; row < nope; ++row) keys.push_back(rows[row * latent + column]);
      }
      values.insert(values.end(), rows + nope * latent, rows + (nope + value) * latent);
    }
    const auto write = [&](char half, const std::vector<float>& floats, int64_t rows,
                           int64_t columns) {
      const std::string name = std::regex_replace(GgufName(tensor.name), std::regex("attn_kv_b"),
                                                  fmt::format("attn_{}_b", half));
      const StoredMatrix stored = store_(name, columns, floats);
      NextPart().Tensor(name, {heads, rows, columns}, stored.type, stored.bytes);
    };
    write('k', keys, latent, nope);
    write('v', values, value, latent);
  }

  // "model.layers.N.mlp.experts.E.gate_proj.weight", or gpt-oss's tensors of all experts.
  void TakeExpert(const TensorInfo& tensor) {
    if (arch_ == "gpt-oss") return WriteGptOss(tensor);
    static const std::regex kPattern(
        R"(model\.layers\.(\d+)\.mlp\.experts\.(\d+)\.(gate|up|down)_proj\.weight)");
    std::smatch match;
    ASSERT_TRUE(std::regex_match(tensor.name, match, kPattern)) << tensor.name;
    Experts& all =
        experts_[fmt::format("blk.{}.ffn_{}_exps.weight", match[1].str(), match[3].str())];
    all.rows = tensor.shape[0];
    all.columns = tensor.shape[1];
    all.values[std::stoi(match[2])] = FloatsOf(checkpoint_, tensor);
  }

  void WriteExperts(const std::string& name, const Experts& all) {
    StoredMatrix stored;
    for (const auto& [expert, values] : all.values) {
      const StoredMatrix one = store_(name, all.columns, values);
      stored.type = one.type;
      stored.bytes += one.bytes;
    }
    NextPart().Tensor(name, {std::ssize(all.values), all.rows, all.columns}, stored.type,
                      stored.bytes);
  }

  // Gate and up apart; in a block the scale first, and of its codes the first half in low nibbles.
  void WriteGptOss(const TensorInfo& tensor) {
    static const std::regex kPattern(
        R"(model\.layers\.(\d+)\.mlp\.experts\.(gate_up|down)_proj_(blocks|scales|bias))");
    std::smatch match;
    ASSERT_TRUE(std::regex_match(tensor.name, match, kPattern)) << tensor.name;
    const std::string layer = match[1], part = match[3];
    const bool pair = match[2] == "gate_up";
    if (part == "scales") return;  // with their blocks
    for (int half = 0; half < (pair ? 2 : 1); ++half) {
      const std::string name = fmt::format("blk.{}.ffn_{}_exps.", layer,
                                           !pair       ? "down"
                                           : half == 0 ? "gate"
                                                       : "up");
      const auto every = [&](int64_t row) { return !pair || row % 2 == half; };
      if (part == "bias") {
        const std::vector<float> values = FloatsOf(checkpoint_, tensor);
        std::vector<float> own;
        for (int64_t i = 0; i < std::ssize(values); ++i) {
          if (every(i % tensor.shape[1])) own.push_back(values[i]);
        }
        NextPart().Tensor(name + "bias", {tensor.shape[0], std::ssize(own) / tensor.shape[0]}, kF32,
                          AsF32("", 1, own).bytes);
        continue;
      }
      WriteMxfp4(tensor, name, every);
    }
  }

  template <typename Every>
  void WriteMxfp4(const TensorInfo& tensor, const std::string& name, const Every& every) {
    const std::string codes = worker::TensorBytes(checkpoint_, tensor.name);
    const std::string scales =
        worker::TensorBytes(checkpoint_, tensor.name.substr(0, tensor.name.size() - 6) + "scales");
    const int64_t row_blocks = tensor.shape[2], rows = tensor.shape[1];
    std::string bytes;
    for (int64_t block = 0; block < std::ssize(scales); ++block) {
      if (!every(block / row_blocks % rows)) continue;
      bytes += scales[size_t(block)];
      uint8_t nibbles[32];
      for (int i = 0; i < 16; ++i) {
        const auto two = uint8_t(codes[size_t(block * 16 + i)]);
        nibbles[2 * i] = two & 15;
        nibbles[2 * i + 1] = two >> 4;
      }
      for (int i = 0; i < 16; ++i) bytes += char(nibbles[i] | nibbles[i + 16] << 4);
    }
    const int64_t kept = name.find("down") != std::string::npos ? rows : rows / 2;
    NextPart().Tensor(name + "weight", {tensor.shape[0], kept, row_blocks * 32}, kMxfp4, bytes);
  }

  const Json config_, tokenizer_, tokenizer_config_;
  const Checkpoint checkpoint_;
  const StoreMatrix& store_;
  std::string arch_;
  std::vector<GgufWriter> parts_;
  bool mla_halves_ = false;
  uint32_t num_tensors_ = 0;
  std::map<std::string, Experts> experts_;
};

void ModelWriter::WriteTokenizer() {
  constexpr int kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6;
  const Json& model = tokenizer_["model"];
  const int64_t vocab_size = Number("vocab_size");
  std::vector<std::string> tokens;
  for (int64_t id = 0; id < vocab_size; ++id) tokens.push_back(fmt::format("[PAD{}]", id));
  std::vector<int32_t> types(tokens.size(), kUnused);
  std::map<std::string, int32_t> ids;
  for (const auto& [text, id] : model["vocab"].items()) {
    tokens[id.get<size_t>()] = text;
    types[id.get<size_t>()] = text.size() == 6 && text.starts_with("<0x") ? kByte : kNormal;
    ids[text] = id.get<int32_t>();
  }
  for (const Json& added : tokenizer_["added_tokens"]) {
    const auto id = added["id"].get<size_t>();
    tokens[id] = added["content"];
    types[id] = added["special"].get<bool>() ? kControl : kUserDefined;
    ids[tokens[id]] = int32_t(id);
  }
  const bool characters = model.value("byte_fallback", false);
  first().Text("tokenizer.ggml.model", characters ? "llama" : "gpt2");
  first().Texts("tokenizer.ggml.tokens", tokens);
  first().Ints("tokenizer.ggml.token_type", types);
  std::vector<std::string> merges;
  std::vector<float> scores(tokens.size(), -1e6f);
  for (size_t rank = 0; rank < model["merges"].size(); ++rank) {
    const Json& merge = model["merges"][rank];
    const std::string pair = merge.is_string()
                                 ? merge.get<std::string>()
                                 : merge[0].get<std::string>() + " " + merge[1].get<std::string>();
    merges.push_back(pair);
    std::string joined = pair;
    joined.erase(joined.find(' '), 1);
    float& score = scores[size_t(ids.at(joined))];
    score = std::max(score, -float(rank));
  }
  if (characters) {
    first().Floats("tokenizer.ggml.scores", scores);
    first().Bool("tokenizer.ggml.add_space_prefix", false);
  } else {
    first().Texts("tokenizer.ggml.merges", merges);
    first().Text("tokenizer.ggml.pre", arch_ == "llama"       ? "llama-bpe"
                                       : arch_ == "gpt-oss"   ? "gpt-4o"
                                       : arch_ == "deepseek2" ? "deepseek-llm"
                                                              : "qwen2");
  }
  for (const char* name : {"bos", "eos"}) {
    const Json token = tokenizer_config_.value(std::string(name) + "_token", Json());
    if (token.is_null()) continue;
    const std::string text = token.is_object() ? token["content"] : token;
    first().U32(fmt::format("tokenizer.ggml.{}_token_id", name), uint32_t(ids.at(text)));
  }
  if (tokenizer_config_.contains("add_bos_token")) {
    first().Bool("tokenizer.ggml.add_bos_token", tokenizer_config_["add_bos_token"].get<bool>());
  }
  if (tokenizer_config_.contains("chat_template")) {
    first().Text("tokenizer.chat_template", tokenizer_config_["chat_template"].get<std::string>());
  }
}

}  // namespace

StoredMatrix AsBf16(const std::string&, int64_t, const std::vector<float>& values) {
  return {kBf16, BytesAs<kernels::Bf16>(values, kernels::ToBf16)};
}
StoredMatrix AsF16(const std::string&, int64_t, const std::vector<float>& values) {
  return {kF16, BytesAs<kernels::F16>(values, kernels::ToF16)};
}
StoredMatrix AsF32(const std::string&, int64_t, const std::vector<float>& values) {
  return {kF32, BytesAs<float>(values, [](float value) { return value; })};
}

void WriteGgufModel(const std::string& folder, const std::string& path, const StoreMatrix& store) {
  std::ofstream(path, std::ios::binary) << ModelWriter(folder, store, 1).Bytes()[0];
}

void WriteMlaGgufModel(const std::string& folder, const std::string& path,
                       const StoreMatrix& store) {
  ModelWriter writer(folder, store, 1);
  writer.set_mla_halves();
  std::ofstream(path, std::ios::binary) << writer.Bytes()[0];
}

std::string WriteSplitGgufModel(const std::string& folder, const std::string& stem, int num_parts) {
  const std::vector<std::string> bytes = ModelWriter(folder, AsBf16, num_parts).Bytes();
  const auto path = [&](size_t part) {
    return fmt::format("{}-{:05}-of-{:05}.gguf", stem, part + 1, num_parts);
  };
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::ofstream(path(i), std::ios::binary) << bytes[i];
  }
  return path(0);
}

}  // namespace switchyard::testing
