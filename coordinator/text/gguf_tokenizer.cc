#include "coordinator/text/gguf_tokenizer.h"

#include <absl/container/flat_hash_map.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "coordinator/text/gguf_splits.h"
#include "coordinator/text/utf8.h"

namespace switchyard::text {
namespace {

// Of tokenizer.ggml.token_type.
enum TokenType {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

constexpr size_t kMaxPieceBytes = 1024;  // of SentencePiece tokens, which are cut at every place
constexpr std::string_view kSpace = "\u2581";  // how SentencePiece spells it

absl::Status Invalid(std::string_view key, std::string_view fault) {
  return absl::InvalidArgumentError(fmt::format("{}: {}", key, fault));
}

// The object's members one behind the other; none is looked for.
void Append(Json& object, std::string key, Json value) {
  static_cast<Json::object_t::Container&>(object.get_ref<Json::object_t&>())
      .emplace_back(std::move(key), std::move(value));
}

// What the metadata say of the vocabulary; lists are of one length.
class Vocabulary {
 public:
  static absl::StatusOr<Vocabulary> Read(const Json& metadata);

  size_t size() const { return tokens_->size(); }
  const std::string& text(size_t id) const { return (*tokens_)[id].get_ref<const std::string&>(); }
  int type(size_t id) const { return types_ == nullptr ? kNormal : (*types_)[id].get<int>(); }
  bool has_scores() const { return scores_ != nullptr; }
  float score(size_t id) const { return (*scores_)[id].get<float>(); }

 private:
  const Json* tokens_ = nullptr;
  const Json* types_ = nullptr;
  const Json* scores_ = nullptr;
};

// Null if there is none; a fault unless it is a list of `size` (if not 0) of the kind.
absl::StatusOr<const Json*> FindList(const Json& metadata, const char* key, size_t size,
                                     bool (Json::*is_kind)() const noexcept) {
  const auto list = metadata.find(key);
  if (list == metadata.end()) return nullptr;
  const bool fits = list->is_array() && (size == 0 || list->size() == size) &&
                    (list->empty() || ((*list)[0].*is_kind)());  // all are of one type
  if (!fits) {
    return Invalid(key, size == 0 ? std::string("expected a list")
                                  : fmt::format("expected a list of {}, one for each token", size));
  }
  return &*list;
}

absl::StatusOr<Vocabulary> Vocabulary::Read(const Json& metadata) {
  Vocabulary vocabulary;
  constexpr const char* kTokens = "tokenizer.ggml.tokens";
  SY_ASSIGN_OR_RETURN(vocabulary.tokens_, FindList(metadata, kTokens, 0, &Json::is_string));
  if (vocabulary.tokens_ == nullptr || vocabulary.tokens_->empty()) {
    return Invalid(kTokens, "is missing or empty: the file has no tokenizer");
  }
  const size_t size = vocabulary.size();
  SY_ASSIGN_OR_RETURN(vocabulary.types_, FindList(metadata, "tokenizer.ggml.token_type", size,
                                                  &Json::is_number_integer));
  SY_ASSIGN_OR_RETURN(vocabulary.scores_,
                      FindList(metadata, "tokenizer.ggml.scores", size, &Json::is_number_float));
  return vocabulary;
}

absl::StatusOr<bool> ReadBool(const Json& metadata, const char* key, bool fallback) {
  const auto value = metadata.find(key);
  if (value == metadata.end()) return fallback;
  if (!value->is_boolean()) return Invalid(key, "must be true or false");
  return value->get<bool>();
}

absl::StatusOr<std::string> ReadText(const Json& metadata, const char* key) {
  const auto value = metadata.find(key);
  if (value == metadata.end()) return std::string();
  if (!value->is_string()) return Invalid(key, "must be a text");
  return value->get<std::string>();
}

// Tokens that are looked for in text before it is cut.
Json AddedTokens(const Vocabulary& vocabulary) {
  Json added = Json::array();
  for (size_t id = 0; id < vocabulary.size(); ++id) {
    const int type = vocabulary.type(id);
    const bool special = type == kControl || type == kUnknown;
    if ((!special && type != kUserDefined) || vocabulary.text(id).empty()) continue;
    added.push_back({{"id", id},
                     {"content", vocabulary.text(id)},
                     {"special", special},
                     {"normalized", false}});
  }
  return added;
}

// --- byte-level BPE ---

absl::StatusOr<Json> ByteLevelJson(const Json& metadata, const Vocabulary& vocabulary) {
  SY_ASSIGN_OR_RETURN(std::string pre, ReadText(metadata, "tokenizer.ggml.pre"));
  if (pre.empty()) pre = "default";
  const GgufSplits* const splits = FindGgufSplits(pre);
  if (splits == nullptr) {
    return absl::UnimplementedError(fmt::format("tokenizer.ggml.pre = \"{}\": not known, known: {}",
                                                pre, fmt::join(GgufSplitNames(), ", ")));
  }
  SY_ASSIGN_OR_RETURN(const Json* const merges,
                      FindList(metadata, "tokenizer.ggml.merges", 0, &Json::is_string));
  if (merges == nullptr) return Invalid("tokenizer.ggml.merges", "is missing");
  Json vocab = Json::object();
  for (size_t id = 0; id < vocabulary.size(); ++id) {
    if (vocabulary.type(id) == kNormal) Append(vocab, vocabulary.text(id), id);
  }
  Json steps = Json::array();
  for (const std::string_view pattern : splits->patterns) {
    steps.push_back({{"type", "Split"},
                     {"pattern", {{"Regex", pattern}}},
                     {"behavior", "Isolated"},
                     {"invert", false}});
  }
  steps.push_back({{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}});
  return Json({{"added_tokens", AddedTokens(vocabulary)},
               {"normalizer", splits->nfc ? Json({{"type", "NFC"}}) : Json()},
               {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}}},
               {"decoder", {{"type", "ByteLevel"}}},
               {"model",
                {{"type", "BPE"},
                 {"ignore_merges", splits->ignore_merges},
                 {"vocab", std::move(vocab)},
                 {"merges", *merges}}}});
}

// --- SentencePiece's BPE ---

// A piece as it is met in normalized text: files have spaces of what users defined as they are.
std::string Spelling(std::string_view text) {
  std::string spelling;
  for (const char c : text) c == ' ' ? spelling += kSpace : spelling += c;
  return spelling;
}

// Every cut of a piece into two that are pieces, too, is a merge; that of the highest score is done
// first.
absl::StatusOr<Json> MergesByScore(const Vocabulary& vocabulary, const Json& vocab) {
  absl::flat_hash_map<std::string_view, size_t> ids;
  for (const auto& [spelling, id] : vocab.items()) {
    if (vocabulary.type(id.get<size_t>()) != kByte) ids.emplace(spelling, id.get<size_t>());
  }
  struct Merge {
    float score;
    size_t result;
    std::string_view left, right;
  };
  std::vector<Merge> merges;
  for (const auto& [spelling, id] : ids) {
    if (!std::isfinite(vocabulary.score(id))) {
      return Invalid("tokenizer.ggml.scores", fmt::format("that of token {} is no number", id));
    }
    if (spelling.size() > kMaxPieceBytes) {
      return Invalid("tokenizer.ggml.tokens",
                     fmt::format("token {} has {} bytes, at most {} can be", id, spelling.size(),
                                 kMaxPieceBytes));
    }
    for (size_t cut = ReadUtf8Head(spelling).num_bytes; cut < spelling.size();
         cut += ReadUtf8Head(spelling.substr(cut)).num_bytes) {
      const std::string_view left = spelling.substr(0, cut), right = spelling.substr(cut);
      if (!ids.contains(left) || !ids.contains(right)) continue;
      merges.push_back({vocabulary.score(id), id, left, right});
    }
  }
  std::ranges::sort(merges, {}, [](const Merge& merge) {
    return std::tuple(-merge.score, merge.result, merge.left.size());
  });
  Json list = Json::array();
  for (const Merge& merge : merges) list.push_back({merge.left, merge.right});
  return list;
}

Json CharacterDecoder(bool strips_space) {
  Json steps = {{{"type", "Replace"}, {"pattern", {{"String", kSpace}}}, {"content", " "}},
                {{"type", "ByteFallback"}},
                {{"type", "Fuse"}}};
  if (strips_space) {
    steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  }
  return {{"type", "Sequence"}, {"decoders", std::move(steps)}};
}

absl::StatusOr<Json> SentencePieceJson(const Json& metadata, const Vocabulary& vocabulary) {
  if (!vocabulary.has_scores()) return Invalid("tokenizer.ggml.scores", "is missing");
  if (metadata.contains("tokenizer.ggml.precompiled_charsmap")) {
    return absl::UnimplementedError(
        "tokenizer.ggml.precompiled_charsmap: normalization by a table is not read");
  }
  SY_ASSIGN_OR_RETURN(const bool adds_space,
                      ReadBool(metadata, "tokenizer.ggml.add_space_prefix", true));
  Json vocab = Json::object();
  Json added = Json::array();
  for (Json& token : AddedTokens(vocabulary)) {
    // With a space it is found where text is merged, and not as it stands.
    const bool spaced =
        token["content"].get_ref<const std::string&>().find(' ') != std::string::npos;
    if (!spaced || token["special"].get<bool>()) added.push_back(std::move(token));
  }
  for (size_t id = 0; id < vocabulary.size(); ++id) {
    const int type = vocabulary.type(id);
    if (type != kNormal && type != kUserDefined && type != kByte) continue;
    if (vocabulary.text(id).empty()) continue;
    Append(vocab, type == kUserDefined ? Spelling(vocabulary.text(id)) : vocabulary.text(id), id);
  }
  SY_ASSIGN_OR_RETURN(Json merges, MergesByScore(vocabulary, vocab));
  Json normalizers = Json::array();
  if (adds_space) normalizers.push_back({{"type", "Prepend"}, {"prepend", kSpace}});
  normalizers.push_back({{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kSpace}});
  return Json({{"added_tokens", std::move(added)},
               {"normalizer", {{"type", "Sequence"}, {"normalizers", std::move(normalizers)}}},
               {"pre_tokenizer", Json()},
               {"decoder", CharacterDecoder(adds_space)},
               {"model",
                {{"type", "BPE"},
                 {"byte_fallback", true},
                 {"vocab", std::move(vocab)},
                 {"merges", std::move(merges)}}}});
}

// The text of the token that a key names by its id; null if there is no such key.
absl::StatusOr<Json> NamedToken(const Json& metadata, const char* key,
                                const Vocabulary& vocabulary) {
  const auto id = metadata.find(key);
  if (id == metadata.end()) return Json();
  const bool valid = id->is_number_integer() && id->get<int64_t>() >= 0 &&
                     id->get<int64_t>() < static_cast<int64_t>(vocabulary.size());
  if (!valid) {
    return Invalid(key, fmt::format("{} is no id of {} tokens", id->dump(), vocabulary.size()));
  }
  return Json(vocabulary.text(id->get<size_t>()));
}

}  // namespace

absl::StatusOr<Json> GgufTokenizerJson(const Json& metadata) {
  SY_ASSIGN_OR_RETURN(const Vocabulary vocabulary, Vocabulary::Read(metadata));
  SY_ASSIGN_OR_RETURN(const std::string model, ReadText(metadata, "tokenizer.ggml.model"));
  if (model == "gpt2") return ByteLevelJson(metadata, vocabulary);
  if (model == "llama") return SentencePieceJson(metadata, vocabulary);
  return absl::UnimplementedError(
      fmt::format("tokenizer.ggml.model = \"{}\": not read, known: gpt2, llama", model));
}

absl::StatusOr<Json> GgufTokenizerConfig(const Json& metadata) {
  SY_ASSIGN_OR_RETURN(const Vocabulary vocabulary, Vocabulary::Read(metadata));
  Json config = Json::object();
  SY_ASSIGN_OR_RETURN(config["bos_token"],
                      NamedToken(metadata, "tokenizer.ggml.bos_token_id", vocabulary));
  SY_ASSIGN_OR_RETURN(config["eos_token"],
                      NamedToken(metadata, "tokenizer.ggml.eos_token_id", vocabulary));
  SY_ASSIGN_OR_RETURN(const std::string model, ReadText(metadata, "tokenizer.ggml.model"));
  SY_ASSIGN_OR_RETURN(const std::string pre, ReadText(metadata, "tokenizer.ggml.pre"));
  const GgufSplits* const splits = FindGgufSplits(pre);
  const bool usual = model == "llama" || (splits != nullptr && splits->begins_with_bos);
  SY_ASSIGN_OR_RETURN(const bool adds_bos,
                      ReadBool(metadata, "tokenizer.ggml.add_bos_token", usual));
  config["add_bos_token"] = adds_bos && !config["bos_token"].is_null();
  SY_ASSIGN_OR_RETURN(const std::string chat, ReadText(metadata, "tokenizer.chat_template"));
  SY_ASSIGN_OR_RETURN(const std::string tools,
                      ReadText(metadata, "tokenizer.chat_template.tool_use"));
  if (!chat.empty() && tools.empty()) config["chat_template"] = chat;
  if (!chat.empty() && !tools.empty()) {
    config["chat_template"] = {{{"name", "default"}, {"template", chat}},
                               {{"name", "tool_use"}, {"template", tools}}};
  }
  return config;
}

}  // namespace switchyard::text
