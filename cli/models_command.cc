#include "cli/models_command.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <ostream>
#include <vector>

#include "base/gguf.h"
#include "coordinator/core/plan/gguf_config.h"
#include "coordinator/core/plan/hf_config.h"
#include "coordinator/core/plan/topology.h"
#include "worker/models/model_registry.h"
#include "worker/weights/gguf_blocks.h"

namespace switchyard::cli {
namespace {

using Cells = std::array<std::string, 4>;

std::vector<Cells> Rows() {
  const std::vector<std::string_view> served = worker::ServedModelTypes();
  std::vector<Cells> rows = {{"model_type", "models", "attention", "MLP"}};
  for (const core::ModelFamily& family : core::KnownFamilies()) {
    if (std::ranges::count(served, family.model_type) == 0) continue;
    rows.push_back({std::string(family.model_type), std::string(family.models),
                    std::string(family.attention), std::string(family.mlp)});
  }
  return rows;
}

std::string MarkdownTable(const std::vector<Cells>& rows) {
  std::string text;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Cells& row = rows[i];
    const char* const code = i == 0 ? "" : "`";
    text += fmt::format("| {}{}{} | {} | {} | {} |\n", code, row[0], code, row[1], row[2], row[3]);
    if (i == 0) text += "|---|---|---|---|\n";
  }
  return text;
}

std::string PlainTable(const std::vector<Cells>& rows) {
  std::array<size_t, 4> widths{};
  for (const Cells& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Cells& row : rows) {
    text += fmt::format("{:<{}}  {:<{}}  {:<{}}  {}\n", row[0], widths[0], row[1], widths[1],
                        row[2], widths[2], row[3]);
  }
  return text;
}

std::vector<std::string_view> GgufTypes() {
  std::vector<std::string_view> names;
  for (const GgufType& type : KnownGgufTypes()) {
    if (worker::PlainDtype(type) || worker::IsReadGgufType(type)) names.push_back(type.name);
  }
  return names;
}

}  // namespace

std::string ModelsTable(const ModelsOptions& options) {
  const std::vector<Cells> rows = Rows();
  return (options.markdown ? MarkdownTable(rows) : PlainTable(rows)) +
         fmt::format(
             "\nWeights: BF16, F16 and F32, FP8 e4m3 with scales of 128x128 blocks, rows or "
             "tensors, and 4 bits of AWQ and GPTQ, of every model_type.\n"
             "Tokenizers: tokenizer.json with BPE over bytes, BPE over characters with bytes to "
             "fall back on, or Unigram; tiktoken.model of Kimi.\n"
             "GGUF files: architectures {}; tensors in {}.\n"
             "Layouts: dp x tp up to {} ranks; tp is 1, 2, 4 or {}, divides the heads, leaves each "
             "rank an even part of the dense MLP,\nand divides the key-value heads or is a "
             "multiple "
             "of them; each rank needs a routed expert, where there are any.\n",
             fmt::join(core::GgufArchitectures(), ", "), fmt::join(GgufTypes(), ", "),
             core::kMaxWorld, core::kMaxVirtualShards);
}

absl::Status RunModels(const ModelsOptions& options, std::ostream& out) {
  out << ModelsTable(options) << std::flush;
  return out ? absl::OkStatus() : absl::UnavailableError("cannot write the result");
}

}  // namespace switchyard::cli
