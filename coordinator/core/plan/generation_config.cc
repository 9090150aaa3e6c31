#include "coordinator/core/plan/generation_config.h"

#include "base/json.h"
#include "coordinator/core/plan/field_reader.h"

namespace switchyard::core {
namespace {

constexpr int32_t kMaxVocab = 1 << 24;
constexpr size_t kMaxEosTokens = 256;

std::vector<int32_t> ParseTokenIds(std::string_view name, FieldReader& config) {
  const Json* value = config.Find(name);
  if (value == nullptr) return {};
  std::vector<int32_t> ids;
  const Json list = value->is_array() ? *value : Json::array({*value});
  bool valid = list.size() <= kMaxEosTokens;
  for (size_t i = 0; valid && i < list.size(); ++i) {
    valid = list[i].is_number_unsigned() && list[i].get<uint64_t>() < uint64_t{kMaxVocab};
    if (valid) ids.push_back(list[i].get<int32_t>());
  }
  if (!valid) {
    config.faults().Invalid(
        fmt::format("{}: must be a token id from 0 to {}, or a list of at most {}",
                    config.Describe(name), kMaxVocab - 1, kMaxEosTokens));
  }
  return ids;
}

}  // namespace

absl::StatusOr<GenerationConfig> ParseGenerationConfig(std::string_view json_text,
                                                       std::string_view file_name) {
  auto json = ParseJson(json_text);
  if (!json.ok()) return Annotate(json.status(), file_name);
  if (!json->is_object())
    return absl::InvalidArgumentError(fmt::format("{}: must hold a JSON object", file_name));
  Faults faults;
  FieldReader config(*json, "", faults);
  GenerationConfig parsed;
  parsed.do_sample = config.Bool("do_sample", parsed.do_sample);
  parsed.temperature = config.Real("temperature", {0, 100}, parsed.temperature);
  parsed.top_p = config.Real("top_p", {0, 1, true}, parsed.top_p);
  parsed.top_k = config.Int("top_k", {0, kMaxVocab}, parsed.top_k);
  parsed.min_p = config.Real("min_p", {0, 1}, parsed.min_p);
  parsed.repetition_penalty =
      config.Real("repetition_penalty", {0, 10, true}, parsed.repetition_penalty);
  parsed.eos_token_ids = ParseTokenIds("eos_token_id", config);
  SY_RETURN_IF_ERROR(faults.ToStatus(file_name));
  return parsed;
}

}  // namespace switchyard::core
