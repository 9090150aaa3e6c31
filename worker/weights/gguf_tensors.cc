#include "worker/weights/gguf_tensors.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "worker/weights/gguf_blocks.h"

namespace switchyard::worker {
namespace {

constexpr int64_t kMaxExperts = 16384;  // as hf_config bounds them

struct Rename {
  std::string_view from;
  std::string_view to;
};

constexpr Rename kWhole[] = {
    {"token_embd", "model.embed_tokens"}, {"output_norm", "model.norm"}, {"output", "lm_head"}};

// Behind "blk.N." and behind "model.layers.N.".
constexpr Rename kLayer[] = {
    {"attn_norm", "input_layernorm"},
    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"},
    {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"},
    {"attn_q_a", "self_attn.q_a_proj"},
    {"attn_q_a_norm", "self_attn.q_a_layernorm"},
    {"attn_q_b", "self_attn.q_b_proj"},
    {"attn_kv_a_mqa", "self_attn.kv_a_proj_with_mqa"},
    {"attn_kv_a_norm", "self_attn.kv_a_layernorm"},
    {"attn_kv_b", "self_attn.kv_b_proj"},
    {"ffn_norm", "post_attention_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},
    {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
    {"ffn_gate_inp", "mlp.gate"},
    {"ffn_gate_shexp", "mlp.shared_experts.gate_proj"},
    {"ffn_up_shexp", "mlp.shared_experts.up_proj"},
    {"ffn_down_shexp", "mlp.shared_experts.down_proj"},
};
constexpr Rename kExperts[] = {
    {"ffn_gate_exps", "gate_proj"}, {"ffn_up_exps", "up_proj"}, {"ffn_down_exps", "down_proj"}};

// Where an architecture names a tensor otherwise; looked at before the lists above.
constexpr Rename kGemma3Layer[] = {{"ffn_norm", "pre_feedforward_layernorm"},
                                   {"post_attention_norm", "post_attention_layernorm"},
                                   {"post_ffw_norm", "post_feedforward_layernorm"}};
constexpr Rename kGptOssLayer[] = {{"post_attention_norm", "post_attention_layernorm"}};
constexpr Rename kMixtralLayer[] = {{"ffn_gate_inp", "block_sparse_moe.gate"}};
constexpr Rename kMixtralExperts[] = {
    {"ffn_gate_exps", "w1"}, {"ffn_up_exps", "w3"}, {"ffn_down_exps", "w2"}};

std::optional<std::string_view> Renamed(std::span<const Rename> list, std::string_view name) {
  const auto found = std::ranges::find(list, name, &Rename::from);
  if (found == list.end()) return std::nullopt;
  return found->to;
}

// "blk.12.attn_q.weight" in its parts; layer -1 where it is of no layer.
struct Parts {
  int layer = -1;
  std::string_view stem;
  std::string_view suffix;  // with its dot
};
Parts Split(std::string_view name) {
  Parts parts;
  constexpr std::string_view kBlock = "blk.";
  if (name.starts_with(kBlock)) {
    const std::string_view rest = name.substr(kBlock.size());
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), parts.layer);
    if (error != std::errc() || end == rest.data() + rest.size() || *end != '.') return {};
    name = rest.substr(static_cast<size_t>(end - rest.data()) + 1);
  }
  const size_t dot = name.rfind('.');
  if (dot == name.npos) return {};
  parts.stem = name.substr(0, dot);
  parts.suffix = name.substr(dot);
  return parts;
}

class Lister {
 public:
  explicit Lister(const GgufHeader& header) : metadata_(header.metadata) {
    const auto name = metadata_.find("general.architecture");
    if (name != metadata_.end() && name->is_string()) architecture_ = name->get<std::string>();
    mixtral_ = architecture_ == "llama" && Number("expert_count") > 0;
  }

  absl::Status Add(const GgufTensor& tensor) {
    if (tensor.name == "rope_freqs.weight") return absl::OkStatus();  // part of the config
    const Parts parts = Split(tensor.name);
    if (parts.suffix != ".weight" && parts.suffix != ".bias") return Unknown(tensor);
    if (parts.layer < 0) {
      const auto name = Renamed(kWhole, parts.stem);
      return name ? AddAs(tensor, fmt::format("{}{}", *name, parts.suffix)) : Unknown(tensor);
    }
    const std::string prefix = fmt::format("model.layers.{}.", parts.layer);
    if (parts.stem == "attn_sinks") return AddAs(tensor, prefix + "self_attn.sinks");
    if (parts.stem == "attn_k_b") return AddHalf(tensor, prefix + "self_attn.k_b_proj.weight");
    if (parts.stem == "attn_v_b") return AddHalf(tensor, prefix + "self_attn.v_b_proj.weight");
    if (parts.stem == "exp_probs_b") {
      return AddAs(tensor, prefix + "mlp.gate.e_score_correction_bias");
    }
    if (const auto name = Renamed(mixtral_ ? kMixtralExperts : kExperts, parts.stem)) {
      const char* const block = mixtral_ ? "block_sparse_moe" : "mlp";
      return AddExperts(tensor, fmt::format("{}{}.experts.", prefix, block),
                        fmt::format(".{}{}", *name, parts.suffix));
    }
    const auto name = LayerName(parts.stem);
    if (!name) return Unknown(tensor);
    return AddAs(tensor, fmt::format("{}{}{}", prefix, *name, parts.suffix), HeadsOf(parts));
  }

  std::vector<TensorInfo> Take() { return std::move(tensors_); }

 private:
  int64_t Number(std::string_view key) const {
    constexpr int64_t kLargest = 1 << 30;
    const auto value = metadata_.find(fmt::format("{}.{}", architecture_, key));
    if (value == metadata_.end() || !value->is_number_integer()) return 0;
    const auto number = value->get<int64_t>();
    return number >= 0 && number <= kLargest ? number : 0;
  }

  std::optional<std::string_view> LayerName(std::string_view stem) const {
    std::span<const Rename> own;
    if (architecture_ == "gemma3") own = kGemma3Layer;
    if (architecture_ == "gpt-oss") own = kGptOssLayer;
    if (mixtral_) own = kMixtralLayer;
    const auto name = Renamed(own, stem);
    return name ? name : Renamed(kLayer, stem);
  }

  // Heads whose rows the file has in pairs; 0: rows are in order.
  int64_t HeadsOf(const Parts& parts) const {
    if (architecture_ != "llama") return 0;
    const int64_t heads = Number("attention.head_count");
    const int64_t kv_heads = Number("attention.head_count_kv");
    if (parts.stem == "attn_q") return heads;
    if (parts.stem == "attn_k") return kv_heads > 0 ? kv_heads : heads;
    return 0;
  }

  absl::Status Unknown(const GgufTensor& tensor) const {
    return absl::UnimplementedError(fmt::format(
        "tensor \"{}\" is none that is read of architecture \"{}\"", tensor.name, architecture_));
  }

  absl::Status AddAs(const GgufTensor& tensor, std::string name, int64_t heads = 0) {
    if (tensor.shape.size() > 2) {
      return absl::InvalidArgumentError(fmt::format(
          "tensor \"{}\" has {} dimensions, at most 2 can be", tensor.name, tensor.shape.size()));
    }
    GgufTensor part = tensor;
    part.name = std::move(name);
    SY_ASSIGN_OR_RETURN(TensorInfo info, InfoOf(part, heads));
    tensors_.push_back(std::move(info));
    return absl::OkStatus();
  }

  // [heads, rows, columns]: the rows of all heads, as gguf_halves reads them.
  absl::Status AddHalf(const GgufTensor& tensor, std::string name) {
    if (tensor.shape.size() < 2 || tensor.shape.size() > 3) {
      return absl::InvalidArgumentError(
          fmt::format("tensor \"{}\" has shape {}: expected a matrix for each head", tensor.name,
                      ShapeString(tensor.shape)));
    }
    GgufTensor rows = tensor;
    rows.name = std::move(name);
    rows.shape = {1, tensor.shape.back()};
    for (size_t i = 0; i + 1 < tensor.shape.size(); ++i) rows.shape[0] *= tensor.shape[i];
    SY_ASSIGN_OR_RETURN(TensorInfo info, InfoOf(rows, /*heads=*/0, /*always_rows=*/true));
    tensors_.push_back(std::move(info));
    return absl::OkStatus();
  }

  // [experts, ...]: an own tensor for each.
  absl::Status AddExperts(const GgufTensor& tensor, const std::string& before,
                          const std::string& behind) {
    if (tensor.shape.size() < 2 || tensor.shape.size() > 3 || tensor.shape[0] > kMaxExperts) {
      return absl::InvalidArgumentError(
          fmt::format("tensor \"{}\" has shape {}: expected up to {} experts of a matrix or a bias",
                      tensor.name, ShapeString(tensor.shape), kMaxExperts));
    }
    GgufTensor part = tensor;
    part.shape.erase(part.shape.begin());
    part.num_bytes = tensor.num_bytes / tensor.shape[0];
    for (int64_t expert = 0; expert < tensor.shape[0]; ++expert) {
      part.name = fmt::format("{}{}{}", before, expert, behind);
      SY_ASSIGN_OR_RETURN(TensorInfo info, InfoOf(part, /*heads=*/0));
      tensors_.push_back(std::move(info));
      part.offset += part.num_bytes;
    }
    return absl::OkStatus();
  }

  // `always_rows`: with a GgufLayout whatever the type.
  absl::StatusOr<TensorInfo> InfoOf(const GgufTensor& tensor, int64_t heads,
                                    bool always_rows = false) const {
    const std::optional<FileDtype> plain = PlainDtype(*tensor.type);
    TensorInfo info{.name = tensor.name,
                    .dtype = plain.value_or(FileDtype::kU8),
                    .shape = tensor.shape,
                    .file = tensor.file,
                    .offset = tensor.offset,
                    .num_bytes = tensor.num_bytes};
    if (plain.has_value() && heads == 0 && !always_rows) return info;
    if (!plain.has_value() && !IsReadGgufType(*tensor.type)) {
      return absl::UnimplementedError(fmt::format("tensor \"{}\" is {}, of which nothing is read",
                                                  tensor.name, tensor.type->name));
    }
    if (tensor.shape.size() != 2) {
      return absl::UnimplementedError(
          fmt::format("tensor \"{}\" is {} and no matrix: only F32, F16 and BF16 in order can be",
                      tensor.name, tensor.type->name));
    }
    const int64_t rows = tensor.shape[0];
    if (heads > 0 && (heads > rows || rows % (2 * heads) != 0)) {
      return absl::InvalidArgumentError(fmt::format(
          "tensor \"{}\" has {} rows, which are not {} heads of pairs", tensor.name, rows, heads));
    }
    info.gguf = {
        .type = tensor.type, .columns = tensor.shape[1], .head_rows = heads > 0 ? rows / heads : 0};
    info.dtype = FileDtype::kU8;
    info.shape = {rows, tensor.num_bytes / rows};
    return info;
  }

  const Json& metadata_;
  std::string architecture_;
  bool mixtral_ = false;
  std::vector<TensorInfo> tensors_;
};

}  // namespace

absl::StatusOr<std::vector<TensorInfo>> GgufTensors(const GgufHeader& header) {
  Lister lister(header);
  for (const GgufTensor& tensor : header.tensors) SY_RETURN_IF_ERROR(lister.Add(tensor));
  return lister.Take();
}

}  // namespace switchyard::worker
