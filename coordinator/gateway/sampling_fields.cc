#include "coordinator/gateway/sampling_fields.h"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>

#include <algorithm>

#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/random_id.h"

namespace switchyard::gateway {
namespace {

// Written so that NaN, which gRPC can carry, fails too.
absl::Status CheckRange(const char* name, const std::optional<float>& value, float least,
                        float most) {
  if (!value || (*value >= least && *value <= most)) return absl::OkStatus();
  return ParamError(name, fmt::format("'{}' must be between {:g} and {:g}", name, least, most));
}

absl::Status CheckAboveZero(const char* name, const std::optional<float>& value, float most) {
  if (!value || (*value > 0 && *value <= most)) return absl::OkStatus();
  return ParamError(name, fmt::format("'{}' must be above 0 and at most {:g}", name, most));
}

absl::Status TooMany(const char* name, size_t most) {
  return ParamError(name, fmt::format("'{}' may have {} entries at most", name, most));
}

// An object of token ids, written as strings, and numbers.
absl::Status ReadLogitBias(const RequestFields& request, SamplingFields* fields) {
  const Json* biases = FindField(request, "logit_bias");
  if (biases == nullptr) return absl::OkStatus();
  constexpr const char* kShape = "'logit_bias' must be an object of token ids and numbers";
  if (!biases->is_object()) return ParamError("logit_bias", kShape);
  if (biases->size() > SamplingFields::kMaxBiases) {
    return TooMany("logit_bias", SamplingFields::kMaxBiases);
  }
  for (const auto& [id, bias] : biases->items()) {
    int32_t token = 0;
    if (!absl::SimpleAtoi(id, &token) || !bias.is_number()) {
      return ParamError("logit_bias", kShape);
    }
    fields->logit_bias.emplace_back(token, bias.get<float>());
  }
  return absl::OkStatus();
}

// -1 stands for none, as vLLM has it.
absl::Status ReadSeed(const RequestFields& request, std::optional<uint64_t>* out) {
  const Json* seed = FindField(request, "seed");
  const bool is_none = seed != nullptr && !seed->is_number_unsigned() && *seed == -1;
  return is_none ? absl::OkStatus() : ReadUint64(request, "seed", out);
}

absl::Status ReadBadWords(const RequestFields& request, SamplingFields* fields) {
  const Json* words = FindField(request, "bad_words");
  if (words == nullptr) return absl::OkStatus();
  if (!words->is_array()) return ParamError("bad_words", "'bad_words' must be a list of strings");
  for (const Json& word : *words) {
    if (!word.is_string()) return ParamError("bad_words", "'bad_words' must hold strings only");
    fields->bad_words.push_back(word.get<std::string>());
  }
  return absl::OkStatus();
}

absl::Status CheckToken(const ServedModel& model, const char* name, int32_t token) {
  if (token >= 0 && token < model.vocab_size) return absl::OkStatus();
  return ParamError(name, fmt::format("'{}': token {} is outside the vocabulary of {}", name, token,
                                      model.vocab_size));
}

// A word may stand at a text's begin or after a space, and the two are different tokens. So it is
// forbidden both ways whichever is asked for, as vLLM does; what is nothing but blanks stays as it
// is.
absl::Status AddBadWord(const ServedModel& model, const std::string& word,
                        v1::SamplingParams* params) {
  const auto bare = std::string(absl::StripLeadingAsciiWhitespace(word));
  for (const char* before : {"", " "}) {
    const absl::StatusOr<std::vector<int32_t>> tokens =
        model.tokenizer->Encode(before + (bare.empty() ? word : bare),
                                {.parse_special = false, .add_special_tokens = false});
    if (!tokens.ok()) return WithParam(tokens.status(), "bad_words");
    if (tokens->empty()) return ParamError("bad_words", "'bad_words' has an empty word");
    params->add_bad_words()->mutable_tokens()->Add(tokens->begin(), tokens->end());
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadSampling(const RequestFields& request, SamplingFields* fields) {
  SY_RETURN_IF_ERROR(ReadFloat(request, "temperature", &fields->temperature));
  SY_RETURN_IF_ERROR(ReadFloat(request, "top_p", &fields->top_p));
  SY_RETURN_IF_ERROR(ReadInt32(request, "top_k", &fields->top_k));
  SY_RETURN_IF_ERROR(ReadFloat(request, "min_p", &fields->min_p));
  SY_RETURN_IF_ERROR(ReadFloat(request, "typical_p", &fields->typical_p));
  SY_RETURN_IF_ERROR(ReadFloat(request, "presence_penalty", &fields->presence_penalty));
  SY_RETURN_IF_ERROR(ReadFloat(request, "frequency_penalty", &fields->frequency_penalty));
  SY_RETURN_IF_ERROR(ReadFloat(request, "repetition_penalty", &fields->repetition_penalty));
  SY_RETURN_IF_ERROR(ReadLogitBias(request, fields));
  SY_RETURN_IF_ERROR(ReadSeed(request, &fields->seed));
  SY_RETURN_IF_ERROR(ReadInt32(request, "min_tokens", &fields->min_tokens));
  SY_RETURN_IF_ERROR(ReadInt32(request, "max_thinking_tokens", &fields->max_thinking_tokens));
  SY_RETURN_IF_ERROR(ReadBadWords(request, fields));
  if (const Json* ids = FindField(request, "stop_token_ids")) {
    if (!ids->is_array()) {
      return ParamError("stop_token_ids", "'stop_token_ids' must be a list of token ids");
    }
    SY_RETURN_IF_ERROR(ReadInt32Array(*ids, "stop_token_ids", &fields->stop_token_ids));
  }
  SY_RETURN_IF_ERROR(ReadBool(request, "ignore_eos", &fields->ignore_eos));
  return CheckSampling(*fields);
}

absl::Status CheckSampling(const SamplingFields& fields) {
  SY_RETURN_IF_ERROR(CheckRange("temperature", fields.temperature, 0, 2));
  SY_RETURN_IF_ERROR(CheckAboveZero("top_p", fields.top_p, 1));
  if (fields.top_k && *fields.top_k < -1) {
    return ParamError("top_k", "'top_k' must be positive, or 0 or -1 for all tokens");
  }
  SY_RETURN_IF_ERROR(CheckRange("min_p", fields.min_p, 0, 1));
  SY_RETURN_IF_ERROR(CheckAboveZero("typical_p", fields.typical_p, 1));
  SY_RETURN_IF_ERROR(CheckRange("presence_penalty", fields.presence_penalty, -2, 2));
  SY_RETURN_IF_ERROR(CheckRange("frequency_penalty", fields.frequency_penalty, -2, 2));
  SY_RETURN_IF_ERROR(CheckAboveZero("repetition_penalty", fields.repetition_penalty, 10));
  if (fields.logit_bias.size() > SamplingFields::kMaxBiases) {
    return TooMany("logit_bias", SamplingFields::kMaxBiases);
  }
  for (const auto& [token, bias] : fields.logit_bias) {
    SY_RETURN_IF_ERROR(CheckRange("logit_bias", bias, -100, 100));
  }
  if (fields.min_tokens && *fields.min_tokens < 0) {
    return ParamError("min_tokens", "'min_tokens' must be at least 0");
  }
  if (fields.max_thinking_tokens && *fields.max_thinking_tokens < 1) {
    return ParamError("max_thinking_tokens", "'max_thinking_tokens' must be at least 1");
  }
  if (fields.bad_words.size() > SamplingFields::kMaxWords) {
    return TooMany("bad_words", SamplingFields::kMaxWords);
  }
  for (const std::string& word : fields.bad_words) {
    if (word.empty() || word.size() > SamplingFields::kMaxWordBytes) {
      return ParamError("bad_words", fmt::format("each of 'bad_words' must have 1 to {} bytes",
                                                 SamplingFields::kMaxWordBytes));
    }
  }
  if (fields.stop_token_ids.size() > SamplingFields::kMaxWords) {
    return TooMany("stop_token_ids", SamplingFields::kMaxWords);
  }
  return absl::OkStatus();
}

std::vector<int32_t> EndingTokens(const ServedModel& model, const SamplingFields& fields) {
  std::vector<int32_t> tokens = fields.stop_token_ids;
  if (!fields.ignore_eos) {
    tokens.insert(tokens.end(), model.eos_token_ids.begin(), model.eos_token_ids.end());
  }
  return tokens;
}

absl::StatusOr<v1::SamplingParams> MakeSampling(const ServedModel& model,
                                                const SamplingFields& fields) {
  v1::SamplingParams params;
  params.set_temperature(fields.temperature.value_or(model.default_temperature));
  params.set_top_p(fields.top_p.value_or(model.default_top_p));
  params.set_top_k(std::max(0, fields.top_k.value_or(model.default_top_k)));
  params.set_min_p(fields.min_p.value_or(model.default_min_p));
  params.set_typical_p(fields.typical_p.value_or(0));
  params.set_presence_penalty(fields.presence_penalty.value_or(0));
  params.set_frequency_penalty(fields.frequency_penalty.value_or(0));
  params.set_repetition_penalty(
      fields.repetition_penalty.value_or(model.default_repetition_penalty));
  params.set_seed(fields.seed ? *fields.seed : RandomUint64());
  for (const auto& [token, bias] : fields.logit_bias) {
    SY_RETURN_IF_ERROR(CheckToken(model, "logit_bias", token));
    v1::LogitBias* entry = params.add_logit_bias();
    entry->set_token(token);
    entry->set_bias(bias);
  }
  for (const int32_t token : fields.stop_token_ids) {
    SY_RETURN_IF_ERROR(CheckToken(model, "stop_token_ids", token));
  }
  for (const std::string& word : fields.bad_words) {
    SY_RETURN_IF_ERROR(AddBadWord(model, word, &params));
  }
  if (fields.min_tokens.value_or(0) > 0) {
    params.set_min_tokens(*fields.min_tokens);
    // The model's own may not come that early either where they end nothing (vLLM's meaning).
    SamplingFields all = fields;
    all.ignore_eos = false;
    const std::vector<int32_t> ending = EndingTokens(model, all);
    params.mutable_ending_tokens()->Add(ending.begin(), ending.end());
  }
  return params;
}

}  // namespace switchyard::gateway
