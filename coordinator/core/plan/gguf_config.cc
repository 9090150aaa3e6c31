#include "coordinator/core/plan/gguf_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "coordinator/core/plan/field_reader.h"

namespace switchyard::core {
namespace {

// A key, behind "ARCHITECTURE.", and the field of config.json that says the same.
struct Key {
  std::string_view key;
  std::string_view field;
  bool required = true;
};

constexpr Key kDecoderKeys[] = {
    {"block_count", "num_hidden_layers"},
    {"context_length", "max_position_embeddings"},
    {"embedding_length", "hidden_size"},
    {"attention.head_count", "num_attention_heads"},
    {"attention.layer_norm_rms_epsilon", "rms_norm_eps"},
};
constexpr Key kGroupedQueryKeys[] = {
    {"attention.head_count_kv", "num_key_value_heads", false},
    {"attention.key_length", "head_dim", false},
};
constexpr Key kMlpKeys[] = {{"feed_forward_length", "intermediate_size"}};
constexpr Key kQwen3MoeKeys[] = {
    {"expert_count", "num_experts"},
    {"expert_used_count", "num_experts_per_tok"},
    {"expert_feed_forward_length", "moe_intermediate_size"},
};
constexpr Key kMixtralKeys[] = {
    {"expert_count", "num_local_experts"},
    {"expert_used_count", "num_experts_per_tok"},
};
constexpr Key kGptOssKeys[] = {
    {"expert_count", "num_local_experts"},
    {"expert_used_count", "num_experts_per_tok"},
    {"expert_feed_forward_length", "intermediate_size"},
    {"attention.sliding_window", "sliding_window"},
};
constexpr Key kDeepseekKeys[] = {
    {"attention.q_lora_rank", "q_lora_rank", false},
    {"attention.kv_lora_rank", "kv_lora_rank"},
    {"rope.dimension_count", "qk_rope_head_dim"},
    {"leading_dense_block_count", "first_k_dense_replace"},
    {"expert_count", "n_routed_experts"},
    {"expert_shared_count", "n_shared_experts", false},
    {"expert_used_count", "num_experts_per_tok"},
    {"expert_feed_forward_length", "moe_intermediate_size"},
    {"expert_group_count", "n_group", false},
    {"expert_group_used_count", "topk_group", false},
};

constexpr std::string_view kPlainTypes[] = {"F32", "F16", "BF16"};
bool IsPlain(std::string_view type) {
  return std::ranges::find(kPlainTypes, type) != std::end(kPlainTypes);
}

// Numbers of 32 bits that stand for decimal ones: 1e-05, not 9.999999747378752e-06.
Json Decimal(const Json& value) {
  if (!value.is_number_float() || !std::isfinite(value.get<float>())) return value;
  return std::strtod(fmt::format("{}", value.get<float>()).c_str(), nullptr);
}

class ConfigMaker {
 public:
  ConfigMaker(const GgufHeader& header, std::string architecture,
              std::span<const float> rope_divisors)
      : header_(header),
        architecture_(std::move(architecture)),
        rope_divisors_(rope_divisors),
        reader_(header.metadata, "", faults_) {}

  absl::StatusOr<Json> Make(std::string_view file_name);

 private:
  std::string Name(std::string_view key) const { return fmt::format("{}.{}", architecture_, key); }
  const Json* Find(std::string_view key) const { return reader_.Find(Name(key)); }
  std::string Text(std::string_view key, std::string_view fallback) {
    return reader_.Text(Name(key), fallback);
  }
  void Set(std::string_view field, Json value) { config_[std::string(field)] = std::move(value); }

  void Copy(std::span<const Key> keys) {
    for (const auto& [key, field, required] : keys) {
      const Json* const value = Find(key);
      if (value != nullptr) {
        Set(field, Decimal(*value));
      } else if (required) {
        faults_.Invalid(fmt::format("key {} is missing", Name(key)));
      }
    }
  }
  // A whole number that other fields are made of; 0 where it is missing, or larger than any is.
  int64_t Number(std::string_view key) const {
    constexpr int64_t kLargest = 1 << 30;
    const Json* const value = Find(key);
    const auto number = value != nullptr && value->is_number_integer() ? value->get<int64_t>() : 0;
    return number >= 0 && number <= kLargest ? number : 0;
  }
  double Real(std::string_view key, double fallback) const {
    const Json* const value = Find(key);
    return value != nullptr && value->is_number() ? Decimal(*value).get<double>() : fallback;
  }

  void SetWhole();
  void SetTypes();
  void SetRope();
  Json YarnScaling();
  void CheckHeads();
  void SetLlama();
  void SetGemma3();
  void SetGptOss();
  void SetDeepseek2();

  const GgufHeader& header_;
  const std::string architecture_;
  const std::span<const float> rope_divisors_;
  Faults faults_;
  FieldReader reader_;
  Json config_ = Json::object();
};

// What every architecture has.
void ConfigMaker::SetWhole() {
  Copy(kDecoderKeys);
  const GgufTensor* const embedding = header_.Find("token_embd.weight");
  if (embedding == nullptr || embedding->shape.size() != 2) {
    faults_.Invalid("tensor \"token_embd.weight\" is missing, or is no matrix");
  } else {
    Set("vocab_size", embedding->shape[0]);
  }
  Set("tie_word_embeddings", header_.Find("output.weight") == nullptr);
  const std::vector<int32_t> ends = GgufEndTokens(header_.metadata);
  if (!ends.empty()) Set("eos_token_id", ends);
}

// The embedding's type is that of what is not quantised; what most bytes have names the file.
void ConfigMaker::SetTypes() {
  std::map<std::string_view, int64_t> bytes;
  for (const GgufTensor& tensor : header_.tensors) {
    if (tensor.shape.size() > 1) bytes[tensor.type->name] += tensor.num_bytes;
  }
  const auto most = std::ranges::max_element(bytes, {}, [](const auto& of) { return of.second; });
  if (most != bytes.end() && !IsPlain(most->first)) {
    Set("quantization_config", {{"quant_method", "gguf"}, {"type", most->first}});
  }
  const GgufTensor* const embedding = header_.Find("token_embd.weight");
  const std::string_view type = embedding != nullptr ? embedding->type->name : "F32";
  Set("torch_dtype", type == "F16" ? "float16" : type == "BF16" ? "bfloat16" : "float32");
}

Json ConfigMaker::YarnScaling() {
  Json yarn = {{"rope_type", "yarn"}, {"factor", Real("rope.scaling.factor", 0)}};
  const int64_t context = Number("rope.scaling.original_context_length");
  if (context > 0) yarn["original_max_position_embeddings"] = context;
  for (const char* end : {"beta_fast", "beta_slow"}) {
    const double beta = Real(fmt::format("rope.scaling.yarn_{}", end), 0);
    if (beta > 0) yarn[end] = beta;
  }
  const double amplitude = Real("rope.scaling.attn_factor", 0);
  if (amplitude > 0) yarn["attention_factor"] = amplitude;
  // A tenth of both `mscale`, which are alike in published models. Six digits undo that it is F32.
  const double log_multiplier = Real("rope.scaling.yarn_log_multiplier", 0);
  if (log_multiplier > 0) {
    const double mscale = std::round(log_multiplier * 10 * 1e6) / 1e6;
    yarn["mscale"] = mscale;
    yarn["mscale_all_dim"] = mscale;
  }
  if (architecture_ == "gpt-oss") yarn["truncate"] = false;
  return yarn;
}

void ConfigMaker::SetRope() {
  Set("rope_theta", Real("rope.freq_base", 10000));
  const std::string kind = Text("rope.scaling.type", "none");
  if (!rope_divisors_.empty()) {
    Set("rope_scaling",
        {{"rope_type", "divisors"},
         {"divisors", std::vector<double>(rope_divisors_.begin(), rope_divisors_.end())}});
  } else if (kind == "linear") {
    Set("rope_scaling", {{"rope_type", "linear"}, {"factor", Real("rope.scaling.factor", 0)}});
  } else if (kind == "yarn") {
    Set("rope_scaling", YarnScaling());
  } else if (kind != "none") {
    faults_.Unsupported(fmt::format("{}: not supported, only \"none\", \"linear\" and \"yarn\" are",
                                    reader_.Describe(Name("rope.scaling.type"))));
  }
}

// Heads whose keys and values are alike wide and rotated as a whole.
void ConfigMaker::CheckHeads() {
  const int64_t heads = Number("attention.head_count");
  const int64_t made = heads > 0 ? Number("embedding_length") / heads : 0;
  const int64_t dim = Find("attention.key_length") ? Number("attention.key_length") : made;
  for (const char* key : {"attention.value_length", "rope.dimension_count"}) {
    if (Find(key) == nullptr || Number(key) == dim) continue;
    faults_.Unsupported(fmt::format("{}: not supported, only {}, the width of a head, is",
                                    reader_.Describe(Name(key)), dim));
  }
}

void ConfigMaker::SetLlama() {
  if (Number("expert_count") == 0) return Set("model_type", "llama");
  Set("model_type", "mixtral");
  Copy(kMixtralKeys);
}

// The pattern of windows, and the base of what they rotate by, are the family's.
void ConfigMaker::SetGemma3() {
  constexpr int64_t kLayersOf27B = 62;  // its scores are scaled by hidden_size / heads
  static constexpr Key kWindow[] = {{"attention.sliding_window", "sliding_window"}};
  Copy(kWindow);
  Set("model_type", "gemma3_text");
  Set("hidden_activation", "gelu_pytorch_tanh");
  Set("unit_offset_norms", false);  // the file's have 1 added
  Set("rope_local_base_freq", Real("rope.freq_base_swa", 10000));
  const int64_t heads = Number("attention.head_count");
  const bool large = Number("block_count") == kLayersOf27B && heads > 0;
  const int64_t scale = large ? Number("embedding_length") / heads : Number("attention.key_length");
  if (scale > 0) Set("query_pre_attn_scalar", scale);
}

void ConfigMaker::SetGptOss() {
  Copy(kGptOssKeys);
  Set("model_type", "gpt_oss");
  Set("attention_bias", true);
  Set("fused_experts", false);
}

void ConfigMaker::SetDeepseek2() {
  constexpr int64_t kSigmoid = 2;  // of expert_gating_func; 1 and nothing are softmax
  Copy(kDeepseekKeys);
  const bool sigmoid = Number("expert_gating_func") == kSigmoid;
  Set("model_type", sigmoid ? "deepseek_v3" : "deepseek_v2");
  Set("routed_scaling_factor", Real("expert_weights_scale", 1));
  const Json* const normalise = Find("expert_weights_norm");
  Set("norm_topk_prob", normalise != nullptr ? *normalise : Json(false));
  if (!sigmoid) {
    Set("topk_method", Number("expert_group_count") > 1 ? "group_limited_greedy" : "greedy");
  }
  // Newer files have the widths of the absorbed form beside those of a head.
  const bool both = Find("attention.key_length_mla") != nullptr;
  const char* const key = both ? "attention.key_length_mla" : "attention.key_length";
  const char* const value = both ? "attention.value_length_mla" : "attention.value_length";
  for (const char* needed : {key, value}) {
    if (Find(needed) == nullptr) faults_.Invalid(fmt::format("key {} is missing", Name(needed)));
  }
  Set("qk_nope_head_dim", Number(key) - Number("rope.dimension_count"));
  Set("v_head_dim", Number(value));
}

constexpr std::string_view kArchitectures[] = {"deepseek2", "gemma3", "gpt-oss",
                                               "llama",     "qwen2",  "qwen3moe"};

absl::StatusOr<Json> ConfigMaker::Make(std::string_view file_name) {
  SetWhole();
  SetTypes();
  SetRope();
  if (architecture_ != "gpt-oss") Copy(kMlpKeys);
  if (architecture_ == "deepseek2") {
    SetDeepseek2();
  } else {
    Copy(kGroupedQueryKeys);
    CheckHeads();
  }
  if (architecture_ == "llama") SetLlama();
  if (architecture_ == "gemma3") SetGemma3();
  if (architecture_ == "gpt-oss") SetGptOss();
  if (architecture_ == "qwen2") Set("model_type", "qwen2");
  if (architecture_ == "qwen3moe") {
    Copy(kQwen3MoeKeys);
    Set("model_type", "qwen3_moe");
    Set("norm_topk_prob", true);
  }
  SY_RETURN_IF_ERROR(faults_.ToStatus(file_name));
  return std::move(config_);
}

// As chat models spell the token behind a turn or an answer, where no key of their files names it.
constexpr std::string_view kEndSpellings[] = {
    "<|eot_id|>",    "<|eom_id|>",      "<|im_end|>", "<end_of_turn>",
    "<|endoftext|>", "<|end_of_text|>", "<|return|>", "<|call|>",
};

}  // namespace

std::span<const std::string_view> GgufArchitectures() { return kArchitectures; }

std::vector<int32_t> GgufEndTokens(const Json& metadata) {
  constexpr int kControl = 3;  // of tokenizer.ggml.token_type
  std::set<int32_t> ends;
  const auto tokens = metadata.find("tokenizer.ggml.tokens");
  const auto types = metadata.find("tokenizer.ggml.token_type");
  const bool has_tokens = tokens != metadata.end() && tokens->is_array();
  const size_t count = has_tokens ? tokens->size() : 0;
  for (const char* key : {"eos", "eot", "eom"}) {
    const auto id = metadata.find(fmt::format("tokenizer.ggml.{}_token_id", key));
    if (id == metadata.end() || !id->is_number_integer()) continue;
    const auto number = id->get<int64_t>();
    if (number >= 0 && number < static_cast<int64_t>(count)) ends.insert(int32_t(number));
  }
  const bool typed = types != metadata.end() && types->is_array() && types->size() == count;
  for (size_t id = 0; typed && id < count; ++id) {
    const Json& token = (*tokens)[id];
    if ((*types)[id] != kControl || !token.is_string()) continue;
    const auto& text = token.get_ref<const std::string&>();
    if (std::ranges::find(kEndSpellings, text) != std::end(kEndSpellings)) ends.insert(int32_t(id));
  }
  return {ends.begin(), ends.end()};
}

absl::StatusOr<Json> GgufConfig(const GgufHeader& header, std::span<const float> rope_divisors,
                                std::string_view file_name) {
  Faults faults;
  FieldReader metadata(header.metadata, "", faults);
  const std::string architecture = metadata.Text("general.architecture", "");
  if (std::ranges::find(kArchitectures, architecture) == std::end(kArchitectures)) {
    faults.Unsupported(fmt::format("{}: not read, known: {}",
                                   metadata.Describe("general.architecture"),
                                   fmt::join(kArchitectures, ", ")));
  }
  SY_RETURN_IF_ERROR(faults.ToStatus(file_name));
  return ConfigMaker(header, architecture, rope_divisors).Make(file_name);
}

}  // namespace switchyard::core
