#include "coordinator/text/tokenizer_file.h"

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <absl/strings/str_replace.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/gguf.h"
#include "base/json.h"
#include "coordinator/text/byte_alphabet.h"
#include "coordinator/text/gguf_tokenizer.h"
#include "coordinator/text/json_field.h"
#include "coordinator/text/tiktoken_file.h"
#include "coordinator/text/tokenizer_components.h"
#include "coordinator/text/unigram_vocab.h"

namespace switchyard::text {
namespace {

// Ids without a token that a vocabulary may have beyond as many as it has tokens.
constexpr size_t kMaxFreeIds = 4096;

using IdBySpelling = absl::flat_hash_map<std::string, int32_t>;

absl::StatusOr<int32_t> ReadId(const JsonField& field) {
  const Json& value = field.value();
  if (!value.is_number_unsigned() || value.get<uint64_t>() > uint64_t{kMaxTokenId}) {
    return field.Invalid(fmt::format("expected an id from 0 to {}, found {}", kMaxTokenId,
                                     value.dump().substr(0, 40)));
  }
  return value.get<int32_t>();
}

absl::Status CheckModel(const JsonField& model) {
  SY_RETURN_IF_ERROR(model.Expect(model.value().is_object(), "an object"));
  const JsonField type = model.Member("type");
  // Old files leave the type of a BPE model out.
  if (!type.IsNull() || model.Member("merges").IsNull()) {
    SY_ASSIGN_OR_RETURN(const std::string name, type.AsString());
    if (name == "Unigram") return absl::OkStatus();
    if (name != "BPE") {
      return type.Unsupported(
          fmt::format("\"{}\" is not supported, only \"BPE\" and \"Unigram\" are", name));
    }
  }
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const JsonField field = model.Member(affix);
    if (!field.IsNull() && field.value() != "") return field.Unsupported("is not supported");
  }
  const JsonField dropout = model.Member("dropout");
  if (!dropout.IsNull() && dropout.value() != 0) return dropout.Unsupported("is not supported");
  return absl::OkStatus();
}

absl::StatusOr<IdBySpelling> ReadVocab(const JsonField& vocab) {
  SY_RETURN_IF_ERROR(vocab.Expect(vocab.value().is_object(), "an object"));
  IdBySpelling ids;
  ids.reserve(vocab.value().size());
  for (const auto& [spelling, value] : vocab.value().items()) {
    const JsonField field(value, fmt::format("{}[\"{}\"]", vocab.path(), spelling.substr(0, 80)));
    SY_ASSIGN_OR_RETURN(const int32_t id, ReadId(field));
    ids.emplace(spelling, id);
  }
  return ids;
}

absl::StatusOr<AddedTokenSpec> ReadAddedToken(const JsonField& field) {
  SY_RETURN_IF_ERROR(field.Expect(field.value().is_object(), "an object"));
  AddedTokenSpec token;
  SY_ASSIGN_OR_RETURN(token.id, ReadId(field.Member("id")));
  SY_ASSIGN_OR_RETURN(token.content, field.Member("content").AsString());
  if (token.content.empty() || token.content.size() > kMaxAddedTokenBytes) {
    return field.Member("content").Invalid(fmt::format("has {} bytes; an added token needs 1 to {}",
                                                       token.content.size(), kMaxAddedTokenBytes));
  }
  SY_ASSIGN_OR_RETURN(token.special, field.Member("special").AsBool(false));
  SY_ASSIGN_OR_RETURN(token.normalized, field.Member("normalized").AsBool(!token.special));
  SY_ASSIGN_OR_RETURN(token.single_word, field.Member("single_word").AsBool(false));
  SY_ASSIGN_OR_RETURN(token.lstrip, field.Member("lstrip").AsBool(false));
  SY_ASSIGN_OR_RETURN(token.rstrip, field.Member("rstrip").AsBool(false));
  return token;
}

absl::StatusOr<std::vector<AddedTokenSpec>> ReadAddedTokens(const JsonField& list,
                                                            const IdBySpelling& vocab) {
  std::vector<AddedTokenSpec> tokens;
  if (list.IsNull()) return tokens;
  SY_RETURN_IF_ERROR(list.Expect(list.value().is_array(), "an array"));
  absl::flat_hash_set<std::string> contents;
  for (size_t i = 0; i < list.value().size(); ++i) {
    SY_ASSIGN_OR_RETURN(AddedTokenSpec token, ReadAddedToken(list.Element(i)));
    const auto in_vocab = vocab.find(token.content);
    if (in_vocab != vocab.end() && in_vocab->second != token.id) {
      return list.Element(i).Invalid(fmt::format("\"{}\" has id {} here and {} in model.vocab",
                                                 token.content, token.id, in_vocab->second));
    }
    if (!contents.insert(token.content).second) {
      return list.Element(i).Invalid(fmt::format("\"{}\" is there twice", token.content));
    }
    tokens.push_back(std::move(token));
  }
  return tokens;
}

// The table of tokens by id, from the vocabulary and the added tokens.
class TokenTable {
 public:
  // `decoder`: null where the symbols are bytes.
  explicit TokenTable(const DecoderSpec* decoder) : decoder_(decoder) {}

  absl::Status Build(const IdBySpelling& vocab, const std::vector<AddedTokenSpec>& added_tokens) {
    int32_t max_id = -1;
    for (const auto& [spelling, id] : vocab) max_id = std::max(max_id, id);
    for (const AddedTokenSpec& token : added_tokens) max_id = std::max(max_id, token.id);
    const size_t num_spellings = vocab.size() + added_tokens.size();
    if (size_t(max_id + 1) > 2 * num_spellings + kMaxFreeIds) {
      return absl::InvalidArgumentError(
          fmt::format("model.vocab: {} tokens, but ids up to {}: most ids have no token",
                      num_spellings, max_id));
    }
    tokens_.resize(size_t(max_id + 1));
    spellings_.resize(tokens_.size());
    for (const auto& [spelling, id] : vocab)
      SY_RETURN_IF_ERROR(Add(id, spelling, /*in_vocab=*/true));
    for (const AddedTokenSpec& token : added_tokens) {
      SY_RETURN_IF_ERROR(Add(token.id, token.content, /*in_vocab=*/false));
      tokens_[token.id].is_special |= token.special;
    }
    return absl::OkStatus();
  }

  std::vector<TokenSpec> Take() { return std::move(tokens_); }

 private:
  absl::Status Add(int32_t id, std::string_view spelling, bool in_vocab) {
    TokenSpec& token = tokens_[id];
    if (token.is_defined) {
      if (!in_vocab && spellings_[id] == spelling)
        return absl::OkStatus();  // an added token may stand in both lists
      return absl::InvalidArgumentError(fmt::format(
          "id {} belongs to two tokens: \"{}\" and \"{}\"", id, spellings_[id], spelling));
    }
    token =
        decoder_ != nullptr ? FromCharacters(spelling, in_vocab) : FromBytes(spelling, in_vocab);
    spellings_[id] = spelling;
    return absl::OkStatus();
  }

  static TokenSpec FromBytes(std::string_view spelling, bool in_vocab) {
    const std::optional<std::string> bytes = BytesFromAlphabet(spelling);
    return {.bytes = bytes.value_or(std::string(spelling)),
            .is_defined = true,
            .is_mergeable = in_vocab && bytes.has_value() && !bytes->empty()};
  }

  TokenSpec FromCharacters(std::string_view spelling, bool in_vocab) const {
    const std::optional<char> byte = decoder_->falls_back ? ByteOf(spelling) : std::nullopt;
    if (in_vocab && byte.has_value()) {
      return {.bytes = std::string(1, *byte),
              .spelling = std::string(spelling),
              .is_defined = true,
              .is_byte = true};
    }
    TokenSpec token{.bytes = std::string(spelling), .is_defined = true, .is_mergeable = in_vocab};
    for (const DecoderSpec::Replacement& replacement : decoder_->replacements) {
      absl::StrReplaceAll({{replacement.from, replacement.to}}, &token.bytes);
    }
    if (token.bytes != spelling) token.spelling = spelling;
    return token;
  }

  // "<0xE2>": a byte of a character that is no token.
  static std::optional<char> ByteOf(std::string_view spelling) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    if (spelling.size() != 6 || !spelling.starts_with("<0x") || spelling.back() != '>') return {};
    const size_t high = kDigits.find(spelling[3]), low = kDigits.find(spelling[4]);
    if (high == kDigits.npos || low == kDigits.npos) return {};
    return static_cast<char>(16 * high + low);
  }

  const DecoderSpec* const decoder_;
  std::vector<TokenSpec> tokens_;
  std::vector<std::string_view> spellings_;
};

// A merge is "a b" in older files and ["a", "b"] in newer ones.
absl::StatusOr<std::pair<std::string, std::string>> ReadPair(const JsonField& field) {
  const Json& value = field.value();
  if (value.is_array() && value.size() == 2 && value[0].is_string() && value[1].is_string()) {
    return std::pair(value[0].get<std::string>(), value[1].get<std::string>());
  }
  if (value.is_string()) {
    const auto text = value.get<std::string>();
    const size_t space = text.find(' ');
    if (space != std::string::npos && space == text.rfind(' ')) {
      return std::pair(text.substr(0, space), text.substr(space + 1));
    }
  }
  return field.Invalid("expected \"a b\" or [\"a\", \"b\"]");
}

absl::StatusOr<std::vector<MergeSpec>> ReadMerges(const JsonField& list, const IdBySpelling& vocab,
                                                  const std::vector<TokenSpec>& tokens,
                                                  Symbols symbols) {
  SY_RETURN_IF_ERROR(list.Expect(list.value().is_array(), "an array"));
  std::vector<MergeSpec> merges;
  merges.reserve(list.value().size());
  for (size_t i = 0; i < list.value().size(); ++i) {
    const JsonField field = list.Element(i);
    SY_ASSIGN_OR_RETURN(const auto pair, ReadPair(field));
    int32_t ids[3];
    const std::string* spellings[3] = {&pair.first, &pair.second, nullptr};
    const std::string joined = pair.first + pair.second;
    spellings[2] = &joined;
    for (int part = 0; part < 3; ++part) {
      const auto found = vocab.find(*spellings[part]);
      if (found == vocab.end())
        return field.Invalid(fmt::format("\"{}\" is not in model.vocab", *spellings[part]));
      if (!tokens[found->second].is_mergeable) {
        return field.Invalid(
            fmt::format("\"{}\" is not spelled in {}", *spellings[part],
                        symbols == Symbols::kBytes ? "the byte alphabet" : "characters"));
      }
      ids[part] = found->second;
    }
    merges.push_back({.left = ids[0], .right = ids[1], .result = ids[2]});
  }
  return merges;
}

// The id of a field that holds a token, as its text or as an object with `content`; -1 for null.
absl::StatusOr<int32_t> ReadNamedToken(const JsonField& field, const TokenizerSpec& spec) {
  if (field.IsNull()) return -1;
  const JsonField text = field.value().is_object() ? field.Member("content") : field;
  SY_ASSIGN_OR_RETURN(const std::string content, text.AsString());
  for (const AddedTokenSpec& token : spec.added_tokens) {
    if (token.content == content) return token.id;
  }
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    if (spec.tokens[id].is_defined && spec.tokens[id].piece() == content) return int32_t(id);
  }
  return text.Invalid(fmt::format("\"{}\" is no token of tokenizer.json", content));
}

absl::StatusOr<TokenizerSpec> ReadTokenizer(const Json& json) {
  const JsonField root(json, "");
  if (!json.is_object()) return absl::InvalidArgumentError("expected an object");
  const JsonField model = root.Member("model");
  SY_RETURN_IF_ERROR(CheckModel(model));
  TokenizerSpec spec;
  SY_ASSIGN_OR_RETURN(spec.normalizers, ReadNormalizers(root.Member("normalizer")));
  const bool is_unigram = model.Member("type").value() == "Unigram";
  SY_ASSIGN_OR_RETURN(const bool falls_back, model.Member("byte_fallback").AsBool(false));
  spec.symbols = is_unigram || falls_back ? Symbols::kCharacters : Symbols::kBytes;
  SY_ASSIGN_OR_RETURN(spec.splits, ReadSplits(root.Member("pre_tokenizer"), spec.symbols));
  SY_ASSIGN_OR_RETURN(const DecoderSpec decoder, ReadDecoder(root.Member("decoder"), spec.symbols));
  spec.num_stripped_spaces = decoder.num_stripped_spaces;
  if (falls_back && !decoder.falls_back) {
    return root.Member("decoder").Unsupported(
        "has no ByteFallback step, but model.byte_fallback is true");
  }

  IdBySpelling vocab;
  if (is_unigram) {
    SY_ASSIGN_OR_RETURN(UnigramVocab unigram, ReadUnigramVocab(model));
    vocab = std::move(unigram.ids);
    spec.unigram = std::move(unigram.spec);
  } else {
    SY_ASSIGN_OR_RETURN(vocab, ReadVocab(model.Member("vocab")));
  }
  SY_ASSIGN_OR_RETURN(spec.added_tokens, ReadAddedTokens(root.Member("added_tokens"), vocab));
  TokenTable table(spec.symbols == Symbols::kCharacters ? &decoder : nullptr);
  SY_RETURN_IF_ERROR(table.Build(vocab, spec.added_tokens));
  spec.tokens = table.Take();
  if (!is_unigram) {
    SY_ASSIGN_OR_RETURN(spec.merges,
                        ReadMerges(model.Member("merges"), vocab, spec.tokens, spec.symbols));
  }
  SY_ASSIGN_OR_RETURN(spec.ignore_merges, model.Member("ignore_merges").AsBool(false));
  SY_ASSIGN_OR_RETURN(spec.prefix_ids, ReadPrefixIds(root.Member("post_processor"), spec.tokens));
  return spec;
}

absl::Status ApplyConfig(const Json& json, TokenizerSpec& spec) {
  if (!json.is_object()) return absl::InvalidArgumentError("expected an object");
  const JsonField root(json, "");
  SY_ASSIGN_OR_RETURN(spec.bos_id, ReadNamedToken(root.Member("bos_token"), spec));
  SY_ASSIGN_OR_RETURN(spec.eos_id, ReadNamedToken(root.Member("eos_token"), spec));
  const JsonField add_bos = root.Member("add_bos_token");
  if (add_bos.IsNull()) return absl::OkStatus();  // tokenizer.json decides
  SY_ASSIGN_OR_RETURN(const bool adds_bos, add_bos.AsBool(false));
  if (adds_bos && spec.bos_id < 0) return add_bos.Invalid("is true, but there is no bos_token");
  spec.prefix_ids.clear();
  if (adds_bos) spec.prefix_ids.push_back(spec.bos_id);
  return absl::OkStatus();
}

absl::StatusOr<TokenizerSpec> ReadGgufTokenizer(const Json& metadata) {
  SY_ASSIGN_OR_RETURN(const Json json, GgufTokenizerJson(metadata));
  SY_ASSIGN_OR_RETURN(TokenizerSpec spec, ReadTokenizer(json));
  SY_ASSIGN_OR_RETURN(const Json config, GgufTokenizerConfig(metadata));
  SY_RETURN_IF_ERROR(ApplyConfig(config, spec));
  spec.may_lack_bytes = true;  // published ones do, of bytes that no UTF-8 or hardly a text has
  return spec;
}

// A folder without tokenizer.json.
absl::StatusOr<TokenizerSpec> ReadTiktokenTokenizer(const std::string& model_path,
                                                    const std::string& config_path) {
  SY_ASSIGN_OR_RETURN(const std::string model, ReadFile(model_path, kMaxTokenizerFileBytes));
  SY_ASSIGN_OR_RETURN(const std::string text, ReadFile(config_path, kMaxTokenizerConfigBytes));
  const absl::StatusOr<Json> config = ParseJson(text);
  if (!config.ok()) return Annotate(config.status(), config_path);
  SY_ASSIGN_OR_RETURN(const Json json, TiktokenTokenizerJson(model, *config));
  SY_ASSIGN_OR_RETURN(TokenizerSpec spec, ReadTokenizer(json));
  spec.merges_by_result = true;
  SY_RETURN_IF_ERROR(Annotate(ApplyConfig(*config, spec), config_path));
  return spec;
}

}  // namespace

absl::StatusOr<TokenizerSpec> ParseTokenizerJson(std::string_view text) {
  SY_ASSIGN_OR_RETURN(const Json json, ParseJson(text));
  return ReadTokenizer(json);
}

absl::Status ApplyTokenizerConfig(std::string_view text, TokenizerSpec& spec) {
  SY_ASSIGN_OR_RETURN(const Json json, ParseJson(text));
  return ApplyConfig(json, spec);
}

absl::StatusOr<TokenizerSpec> ReadTokenizerSpec(const std::string& dir) {
  if (IsGgufPath(dir)) {
    SY_ASSIGN_OR_RETURN(const GgufHeader header, ReadGguf(dir));
    absl::StatusOr<TokenizerSpec> spec = ReadGgufTokenizer(header.metadata);
    if (!spec.ok()) return Annotate(spec.status(), dir);
    return spec;
  }
  const std::string path = dir + "/tokenizer.json";
  const std::string config_path = dir + "/tokenizer_config.json";
  const std::string tiktoken_path = fmt::format("{}/{}", dir, kTiktokenFileName);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored) && std::filesystem::exists(tiktoken_path, ignored)) {
    absl::StatusOr<TokenizerSpec> spec = ReadTiktokenTokenizer(tiktoken_path, config_path);
    return spec.ok() ? std::move(spec) : Annotate(spec.status(), dir);
  }
  SY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxTokenizerFileBytes));
  absl::StatusOr<TokenizerSpec> spec = ParseTokenizerJson(text);
  if (!spec.ok()) return Annotate(spec.status(), path);

  const absl::StatusOr<std::string> config = ReadFile(config_path, kMaxTokenizerConfigBytes);
  if (absl::IsNotFound(config.status())) return spec;
  SY_RETURN_IF_ERROR(config.status());
  SY_RETURN_IF_ERROR(Annotate(ApplyTokenizerConfig(*config, *spec), config_path));
  return spec;
}

}  // namespace switchyard::text
