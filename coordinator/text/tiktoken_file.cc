#include "coordinator/text/tiktoken_file.h"

#include <absl/container/flat_hash_map.h>
#include <absl/strings/escaping.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/text/byte_alphabet.h"
#include "coordinator/text/json_field.h"
#include "coordinator/text/tokenizer_file.h"

namespace switchyard::text {
namespace {

constexpr size_t kMaxTokenBytes = 1024;  // tokens are cut at every place

// Han apart from other letters: an intersection of classes, said by looking ahead.
constexpr std::string_view kKimiPattern =
    R"(\p{Han}+)"
    R"(|[^\r\n\p{L}\p{N}]?(?:(?!\p{Han})[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])*)"
    R"((?:(?!\p{Han})[\p{Ll}\p{Lm}\p{Lo}\p{M}])+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?(?:(?!\p{Han})[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])+)"
    R"((?:(?!\p{Han})[\p{Ll}\p{Lm}\p{Lo}\p{M}])*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

absl::Status Invalid(int64_t line, std::string_view fault) {
  return absl::InvalidArgumentError(fmt::format("{}: line {}: {}", kTiktokenFileName, line, fault));
}

using TokensByRank = std::map<int32_t, std::string>;

absl::StatusOr<std::pair<int32_t, std::string>> ReadLine(std::string_view line, int64_t number) {
  const size_t blank = line.find(' ');
  if (blank == line.npos) return Invalid(number, "expected a token in base64, a blank and a rank");
  std::string bytes;
  if (!absl::Base64Unescape(absl::string_view(line.data(), blank), &bytes) || bytes.empty()) {
    return Invalid(number, "its token is no base64");
  }
  if (bytes.size() > kMaxTokenBytes) {
    return Invalid(number, fmt::format("its token has {} bytes, at most {} can be", bytes.size(),
                                       kMaxTokenBytes));
  }
  const std::string_view digits = line.substr(blank + 1);
  int32_t rank = -1;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), rank);
  if (error != std::errc() || end != digits.data() + digits.size() || rank < 0 ||
      rank > kMaxTokenId) {
    return Invalid(number, fmt::format("its rank is no number up to {}", kMaxTokenId));
  }
  return std::pair(rank, std::move(bytes));
}

absl::StatusOr<TokensByRank> ReadTokens(std::string_view model) {
  TokensByRank tokens;
  for (int64_t number = 1; !model.empty(); ++number) {
    const size_t end = std::min(model.find('\n'), model.size());
    std::string_view line = model.substr(0, end);
    model.remove_prefix(std::min(end + 1, model.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    SY_ASSIGN_OR_RETURN(auto token, ReadLine(line, number));
    if (!tokens.insert(std::move(token)).second) return Invalid(number, "its rank is there twice");
  }
  if (tokens.empty()) return Invalid(1, "there are no tokens");
  return tokens;
}

// The object's members one behind the other; none is looked for.
void Append(Json& object, std::string key, Json value) {
  static_cast<Json::object_t::Container&>(object.get_ref<Json::object_t&>())
      .emplace_back(std::move(key), std::move(value));
}

absl::StatusOr<Json> ModelOf(const TokensByRank& tokens) {
  absl::flat_hash_map<std::string_view, int32_t> ranks;
  Json vocab = Json::object();
  for (const auto& [rank, bytes] : tokens) {
    const auto [twin, fresh] = ranks.emplace(bytes, rank);
    if (!fresh) {
      return absl::InvalidArgumentError(fmt::format("{}: ranks {} and {} are of the same token",
                                                    kTiktokenFileName, twin->second, rank));
    }
    Append(vocab, AlphabetFromBytes(bytes), static_cast<uint64_t>(rank));
  }
  Json merges = Json::array();
  for (const auto& [rank, bytes] : tokens) {
    const std::string_view whole = bytes;
    for (size_t cut = 1; cut < whole.size(); ++cut) {
      if (!ranks.contains(whole.substr(0, cut)) || !ranks.contains(whole.substr(cut))) continue;
      merges.push_back(
          {AlphabetFromBytes(whole.substr(0, cut)), AlphabetFromBytes(whole.substr(cut))});
    }
  }
  return Json({{"type", "BPE"},
               {"ignore_merges", true},
               {"vocab", std::move(vocab)},
               {"merges", std::move(merges)}});
}

// `added_tokens_decoder`: {"163584": {"content": "[BOS]", "special": true, ...}, ...}
absl::StatusOr<Json> AddedTokens(const Json& config) {
  Json added = Json::array();
  if (!config.is_object()) return added;
  const JsonField field = JsonField(config, "").Member("added_tokens_decoder");
  if (field.IsNull()) return added;
  SY_RETURN_IF_ERROR(field.Expect(field.value().is_object(), "an object"));
  for (const auto& [name, token] : field.value().items()) {
    uint32_t id = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
    if (error != std::errc() || end != name.data() + name.size() || !token.is_object()) {
      return field.Invalid(fmt::format("\"{}\" is no id with an object", name));
    }
    added.push_back(token);
    added.back()["id"] = id;
  }
  return added;
}

}  // namespace

absl::StatusOr<Json> TiktokenTokenizerJson(std::string_view model, const Json& config) {
  SY_ASSIGN_OR_RETURN(const TokensByRank tokens, ReadTokens(model));
  SY_ASSIGN_OR_RETURN(Json bpe, ModelOf(tokens));
  SY_ASSIGN_OR_RETURN(Json added, AddedTokens(config));
  const Json split = {{"type", "Split"},
                      {"pattern", {{"Regex", kKimiPattern}}},
                      {"behavior", "Isolated"},
                      {"invert", false}};
  const Json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  return Json(
      {{"added_tokens", std::move(added)},
       {"normalizer", nullptr},
       {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", Json::array({split, bytes})}}},
       {"decoder", {{"type", "ByteLevel"}}},
       {"model", std::move(bpe)}});
}

}  // namespace switchyard::text
