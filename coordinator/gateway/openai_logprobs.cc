#include "coordinator/gateway/openai_logprobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/check.h"
#include "coordinator/gateway/json_text.h"
#include "coordinator/text/utf8.h"

namespace switchyard::gateway {
namespace {

// A token alone need not be UTF-8: then its text has U+FFFD, and its bytes say what it is.
std::string TextOf(const text::Tokenizer& tokenizer, int32_t token) {
  const std::string_view bytes = tokenizer.DecodeToken(token);
  if (tokenizer.num_stripped_spaces() == 0 && text::IsValidUtf8(bytes)) return std::string(bytes);
  return tokenizer.Decode({&token, 1}, /*skip_special=*/false);
}

void AppendChatEntry(const text::Tokenizer& tokenizer, int32_t token, float logprob,
                     JsonText* entry) {
  AppendString(TextOf(tokenizer, token), entry->Member("token"));
  AppendNumber(logprob, entry->Member("logprob"));
  JsonText bytes = JsonText::List(entry->Member("bytes"));
  for (const char byte : tokenizer.DecodeToken(token)) {
    const fmt::format_int number(static_cast<unsigned char>(byte));
    bytes.Item()->append(number.data(), number.size());
  }
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
template <typename Output>
std::vector<core::TokenLogprob> LikeliestOf(const Output& output, int32_t num_top) {
  std::vector<core::TokenLogprob> likeliest = output.top;
  if (output.full != nullptr) {
    likeliest.reserve(output.full->size());
    for (const float logprob : *output.full) {
      likeliest.push_back({.token = static_cast<int32_t>(likeliest.size()), .logprob = logprob});
    }
  }
  const size_t count = num_top == core::kFullVocabulary
                           ? likeliest.size()
                           : std::min(likeliest.size(), static_cast<size_t>(num_top));
  const auto is_likelier = [](const core::TokenLogprob& a, const core::TokenLogprob& b) {
    return a.logprob != b.logprob ? a.logprob > b.logprob : a.token < b.token;
  };
  if (output.full != nullptr && count < likeliest.size()) {
    std::partial_sort(likeliest.begin(), likeliest.begin() + static_cast<std::ptrdiff_t>(count),
                      likeliest.end(), is_likelier);
  } else if (output.full != nullptr) {
    std::sort(likeliest.begin(), likeliest.end(), is_likelier);
  }
  likeliest.resize(count);
  return likeliest;
}

// An object of a completion's likeliest tokens, and its own.
void AppendTop(const text::Tokenizer& tokenizer, const core::TokenOutput& output,
               std::string* out) {
  JsonText top = JsonText::Object(out);
  std::unordered_set<std::string> names;
  const auto add = [&](int32_t token, float logprob) {
    std::string name = NameOf(tokenizer, token);
    if (names.contains(name)) return;
    AppendNumber(logprob, top.Member(name));
    names.insert(std::move(name));
  };
  for (const core::TokenLogprob& likely : LikeliestOf(output, core::kFullVocabulary)) {
    add(likely.token, likely.logprob);
  }
  add(output.token, output.logprob);  // in any case, so that there may be one more than asked for
}

void AppendPromptEntry(const text::Tokenizer& tokenizer, const core::PromptTokenOutput& output,
                       int32_t prompt_token, int32_t num_top, std::string* out) {
  const std::vector<core::TokenLogprob> known = LikeliestOf(output, core::kFullVocabulary);
  const auto own = std::find_if(known.begin(), known.end(), [&](const core::TokenLogprob& likely) {
    return likely.token == prompt_token;
  });
  JsonText entries = JsonText::Object(out);
  const auto add = [&](int32_t token, float logprob, std::string_view rank) {
    JsonText entry = JsonText::Object(entries.Member(std::to_string(token)));
    AppendNumber(logprob, entry.Member("logprob"));
    *entry.Member("rank") += rank;
    AppendString(TextOf(tokenizer, token), entry.Member("decoded_token"));
  };
  add(prompt_token, output.logprob,
      own == known.end() ? "null" : std::to_string(own - known.begin() + 1));
  const size_t count = num_top == core::kFullVocabulary
                           ? known.size()
                           : std::min(known.size(), static_cast<size_t>(num_top));
  for (size_t i = 0; i < count; ++i) {
    if (known[i].token == prompt_token) continue;
    add(known[i].token, known[i].logprob, std::to_string(i + 1));
  }
}

}  // namespace

void AppendChatLogprobs(const text::Tokenizer& tokenizer, std::span<const core::TokenOutput> tokens,
                        std::string* out) {
  JsonText object = JsonText::Object(out);
  {
    JsonText content = JsonText::List(object.Member("content"));
    for (const core::TokenOutput& output : tokens) {
      JsonText entry = JsonText::Object(content.Item());
      AppendChatEntry(tokenizer, output.token, output.logprob, &entry);
      JsonText top = JsonText::List(entry.Member("top_logprobs"));
      for (const core::TokenLogprob& likely : LikeliestOf(output, core::kFullVocabulary)) {
        JsonText likely_entry = JsonText::Object(top.Item());
        AppendChatEntry(tokenizer, likely.token, likely.logprob, &likely_entry);
      }
    }
  }
  AppendJson(nullptr, object.Member("refusal"));
}

void AppendCompletionLogprobs(const text::Tokenizer& tokenizer,
                              std::span<const core::TokenOutput> tokens, bool skip_special,
                              int64_t* offset, std::string* out) {
  Json texts = Json::array(), logprobs = Json::array(), offsets = Json::array();
  for (const core::TokenOutput& output : tokens) {
    texts.push_back(NameOf(tokenizer, output.token));
    logprobs.push_back(output.logprob);  // null where it is no number
    offsets.push_back(*offset);
    const bool has_text = !skip_special || !tokenizer.IsSpecial(output.token);
    if (has_text) *offset += CountCharacters(tokenizer, output.token);
  }
  JsonText object = JsonText::Object(out);
  AppendJson(texts, object.Member("tokens"));
  AppendJson(logprobs, object.Member("token_logprobs"));
  {
    JsonText tops = JsonText::List(object.Member("top_logprobs"));
    for (const core::TokenOutput& output : tokens) {
      if (std::isnan(output.logprob)) {
        AppendJson(nullptr, tops.Item());
      } else {
        AppendTop(tokenizer, output, tops.Item());
      }
    }
  }
  AppendJson(offsets, object.Member("text_offset"));
}

std::vector<core::TokenOutput> EchoedTokens(std::span<const int32_t> prompt_tokens,
                                            std::span<const core::PromptTokenOutput> outputs,
                                            int32_t num_top) {
  SY_CHECK_EQ(outputs.size() + 1, prompt_tokens.size());
  std::vector<core::TokenOutput> tokens = {
      {.token = prompt_tokens[0], .logprob = std::numeric_limits<float>::quiet_NaN()}};
  for (size_t i = 0; i < outputs.size(); ++i) {
    core::TokenOutput& token = tokens.emplace_back(
        core::TokenOutput{.token = prompt_tokens[i + 1], .logprob = outputs[i].logprob});
    if (num_top == core::kFullVocabulary) {
      token.full = outputs[i].full;
    } else {
      token.top = LikeliestOf(outputs[i], num_top);
    }
  }
  return tokens;
}

void AppendPromptLogprobs(const text::Tokenizer& tokenizer, std::span<const int32_t> prompt_tokens,
                          std::span<const core::PromptTokenOutput> outputs, int32_t num_top,
                          std::string* out) {
  SY_CHECK_EQ(outputs.size() + 1, prompt_tokens.size());
  JsonText list = JsonText::List(out);
  AppendJson(nullptr, list.Item());
  for (size_t i = 0; i < outputs.size(); ++i) {
    AppendPromptEntry(tokenizer, outputs[i], prompt_tokens[i + 1], num_top, list.Item());
  }
}

}  // namespace switchyard::gateway
