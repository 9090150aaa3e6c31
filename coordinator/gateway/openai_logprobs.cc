#include "coordinator/gateway/openai_logprobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "base/check.h"
#include "coordinator/text/utf8.h"

namespace switchyard::gateway {
namespace {

// A token alone need not be UTF-8: then its text has U+FFFD, and its bytes say what it is.
std::string TextOf(const text::Tokenizer& tokenizer, int32_t token) {
  return tokenizer.Decode({&token, 1}, /*skip_special=*/false);
}

Json ChatEntry(const text::Tokenizer& tokenizer, int32_t token, float logprob) {
  Json bytes = Json::array();
  for (const char byte : tokenizer.DecodeToken(token)) {
    bytes.push_back(static_cast<unsigned char>(byte));
  }
  return {{"token", TextOf(tokenizer, token)}, {"logprob", logprob}, {"bytes", std::move(bytes)}};
}

// Completions have no field for the bytes of a token that is half of a character: "bytes:\xe2\x96",
// as OpenAI writes it. So tokens with other bytes have other names.
std::string NameOf(const text::Tokenizer& tokenizer, int32_t token) {
  const std::string_view bytes = tokenizer.DecodeToken(token);
  if (text::IsValidUtf8(bytes)) return TextOf(tokenizer, token);
  std::string name = "bytes:";
  for (const char byte : bytes) name += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
  return name;
}

// Of which the first byte is in the token.
int64_t CountCharacters(const text::Tokenizer& tokenizer, int32_t token) {
  const auto count = [](std::string_view bytes) {
    return std::count_if(bytes.begin(), bytes.end(), [](char byte) {
      return (static_cast<unsigned char>(byte) & 0xc0) != 0x80;
    });
  };
  const std::string_view bytes = tokenizer.DecodeToken(token);
  return text::IsValidUtf8(bytes) ? count(TextOf(tokenizer, token)) : count(bytes);
}

// The likeliest, `num_top` of them or fewer.
std::span<const core::TokenLogprob> Likeliest(const core::PromptTokenOutput& output,
                                              int32_t num_top) {
  const std::span<const core::TokenLogprob> top = output.top;
  return top.first(std::min(top.size(), static_cast<size_t>(num_top)));
}

Json RankOf(const core::PromptTokenOutput& output, int32_t token) {
  const auto found = std::find_if(output.top.begin(), output.top.end(),
                                  [&](const auto& likely) { return likely.token == token; });
  return found == output.top.end() ? Json(nullptr) : Json(found - output.top.begin() + 1);
}

Json NumberOrNull(float logprob) { return std::isnan(logprob) ? Json(nullptr) : Json(logprob); }

}  // namespace

Json ChatLogprobs(const text::Tokenizer& tokenizer, std::span<const core::TokenOutput> tokens) {
  Json content = Json::array();
  for (const core::TokenOutput& output : tokens) {
    Json entry = ChatEntry(tokenizer, output.token, output.logprob);
    Json& top = entry["top_logprobs"] = Json::array();
    for (const core::TokenLogprob& likely : output.top) {
      top.push_back(ChatEntry(tokenizer, likely.token, likely.logprob));
    }
    content.push_back(std::move(entry));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

Json CompletionLogprobs(const text::Tokenizer& tokenizer, std::span<const core::TokenOutput> tokens,
                        bool skip_special, int64_t* offset) {
  Json texts = Json::array(), logprobs = Json::array(), tops = Json::array();
  Json offsets = Json::array();
  for (const core::TokenOutput& output : tokens) {
    texts.push_back(NameOf(tokenizer, output.token));
    logprobs.push_back(NumberOrNull(output.logprob));
    offsets.push_back(*offset);
    const bool has_text = !skip_special || !tokenizer.IsSpecial(output.token);
    if (has_text) *offset += CountCharacters(tokenizer, output.token);
    if (std::isnan(output.logprob)) {
      tops.push_back(nullptr);
      continue;
    }
    Json top = Json::object();
    for (const core::TokenLogprob& likely : output.top) {
      top[NameOf(tokenizer, likely.token)] = likely.logprob;
    }
    // The answer's token is there in any case, so that there may be one more than was asked for.
    if (!top.contains(texts.back())) top[texts.back().get<std::string>()] = output.logprob;
    tops.push_back(std::move(top));
  }
  return {{"tokens", std::move(texts)},
          {"token_logprobs", std::move(logprobs)},
          {"top_logprobs", std::move(tops)},
          {"text_offset", std::move(offsets)}};
}

std::vector<core::TokenOutput> EchoedTokens(std::span<const int32_t> prompt_tokens,
                                            std::span<const core::PromptTokenOutput> outputs,
                                            int32_t num_top) {
  SY_CHECK_EQ(outputs.size() + 1, prompt_tokens.size());
  std::vector<core::TokenOutput> tokens = {
      {.token = prompt_tokens[0], .logprob = std::numeric_limits<float>::quiet_NaN()}};
  for (size_t i = 0; i < outputs.size(); ++i) {
    const auto top = Likeliest(outputs[i], num_top);
    tokens.push_back({.token = prompt_tokens[i + 1],
                      .logprob = outputs[i].logprob,
                      .top = {top.begin(), top.end()}});
  }
  return tokens;
}

Json PromptLogprobs(const text::Tokenizer& tokenizer, std::span<const int32_t> prompt_tokens,
                    std::span<const core::PromptTokenOutput> outputs, int32_t num_top) {
  SY_CHECK_EQ(outputs.size() + 1, prompt_tokens.size());
  Json list = Json::array({nullptr});
  for (size_t i = 0; i < outputs.size(); ++i) {
    Json entry = Json::object();
    const auto add = [&](int32_t token, float logprob) {
      entry[std::to_string(token)] = {{"logprob", logprob},
                                      {"rank", RankOf(outputs[i], token)},
                                      {"decoded_token", TextOf(tokenizer, token)}};
    };
    add(prompt_tokens[i + 1], outputs[i].logprob);
    for (const core::TokenLogprob& likely : Likeliest(outputs[i], num_top)) {
      add(likely.token, likely.logprob);
    }
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace switchyard::gateway
