#include "coordinator/text/bpe_tokenizer.h"

#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <utility>

#include "coordinator/text/utf8.h"

namespace switchyard::text {
namespace {

absl::Status CheckText(std::string_view text) {
  if (text.size() > kMaxEncodeBytes) {
    return absl::InvalidArgumentError(fmt::format("the text has {}; a tokenizer takes at most {}",
                                                  FormatBytes(int64_t(text.size())),
                                                  FormatBytes(kMaxEncodeBytes)));
  }
  if (!IsValidUtf8(text)) return absl::InvalidArgumentError("the text is not valid UTF-8");
  return absl::OkStatus();
}

// The tokens that are looked for after normalization, as they then look.
absl::StatusOr<std::vector<AddedTokenSpec>> NormalizedForms(
    const std::vector<AddedTokenSpec>& tokens, const Normalizer& normalizer) {
  RegexScratch scratch;
  absl::flat_hash_set<std::string> seen;
  std::vector<AddedTokenSpec> forms;
  for (const AddedTokenSpec& token : tokens) {
    if (!token.normalized) continue;
    forms.push_back(token);
    std::string& form = forms.back().content;
    SY_ASSIGN_OR_RETURN(form, normalizer.Apply(form, scratch));
    if (form.empty() || !seen.insert(form).second) {
      return absl::InvalidArgumentError(
          fmt::format("added_tokens: \"{}\" becomes \"{}\" by normalization, which is empty or "
                      "another token's form",
                      token.content, form));
    }
  }
  return forms;
}

// By how much a normalizer may shrink a text, at most; none: there is no bound.
std::optional<size_t> MaxShrinking(const NormalizerSpec& normalizer) {
  if (std::holds_alternative<PrependSpec>(normalizer)) return 1;
  if (const auto* form = std::get_if<UnicodeFormSpec>(&normalizer)) {
    // At worst U+1FBE U+0308 U+0301, seven bytes, become U+0390, two; and U+1FEF, three, becomes
    // "`".
    using Form = UnicodeFormSpec::Form;
    if (form->form == Form::kNfc) return 4;
    if (form->form == Form::kNfd) return 3;
    return std::nullopt;
  }
  const auto* replace = std::get_if<ReplaceSpec>(&normalizer);
  const bool grows = replace != nullptr && !replace->pattern.is_regex &&
                     replace->content.size() >= replace->pattern.text.size();
  return grows ? std::optional<size_t>(1) : std::nullopt;
}

std::optional<size_t> MaxTokenBytes(const TokenizerSpec& spec) {
  if (spec.may_lack_bytes || spec.unigram.has_value()) return std::nullopt;
  for (const SplitSpec& split : spec.splits) {
    if (split.has_pattern && split.behavior == SplitBehavior::kRemoved) return std::nullopt;
  }
  size_t most = 1;
  for (const TokenSpec& token : spec.tokens) {
    most = std::max({most, token.bytes.size(), token.piece().size()});
  }
  for (const AddedTokenSpec& token : spec.added_tokens) {
    if (token.lstrip || token.rstrip) return std::nullopt;  // any number of blanks
    most = std::max(most, token.content.size());
  }
  for (const NormalizerSpec& normalizer : spec.normalizers) {
    const std::optional<size_t> shrinking = MaxShrinking(normalizer);
    if (!shrinking) return std::nullopt;
    most *= *shrinking;
  }
  return most;
}

// Ranges of `prompt` that the template wrote; neighbours are joined.
std::vector<TextRange> TemplateRanges(const RenderedText& prompt) {
  std::vector<TextRange> ranges;
  size_t at = 0;
  for (const RenderedText::Segment& segment : prompt.segments) {
    const size_t end = at + segment.text.size();
    if (!segment.from_user && !segment.text.empty()) {
      if (!ranges.empty() && ranges.back().end == at) {
        ranges.back().end = end;
      } else {
        ranges.push_back({at, end});
      }
    }
    at = end;
  }
  return ranges;
}

}  // namespace

// One call of Encode: its scratch memory and the ids so far.
class BpeTokenizer::Call {
 public:
  explicit Call(const BpeTokenizer& tokenizer) : tokenizer_(tokenizer) {}

  void Add(int32_t id) { ids_.push_back(id); }

  // Text in which no added token counts.
  absl::Status AddPlain(std::string_view text, bool is_start) {
    if (tokenizer_.normalizer_.IsIdentity()) return AddNormalized(text, is_start);
    SY_ASSIGN_OR_RETURN(const std::string normalized, tokenizer_.normalizer_.Apply(text, regex_));
    return AddNormalized(normalized, is_start);
  }

  // Text without verbatim tokens in which normalized ones count.
  absl::Status AddWithNormalizedTokens(std::string_view text, bool is_start) {
    std::string normalized;
    if (!tokenizer_.normalizer_.IsIdentity()) {
      SY_ASSIGN_OR_RETURN(normalized, tokenizer_.normalizer_.Apply(text, regex_));
      text = normalized;
    }
    const TextRange whole{0, text.size()};
    return AddAround(text, is_start, tokenizer_.normalized_tokens_.Find(text, {&whole, 1}),
                     &Call::AddNormalized);
  }

  // `text` with its hits as ids and what lies between them by `add_rest`. `is_start`: what is
  // encoded begins with it.
  absl::Status AddAround(std::string_view text, bool is_start,
                         const std::vector<AddedTokens::Hit>& hits,
                         absl::Status (Call::*add_rest)(std::string_view, bool)) {
    size_t at = 0;
    for (const AddedTokens::Hit& hit : hits) {
      const std::string_view rest = text.substr(at, hit.range.begin - at);
      SY_RETURN_IF_ERROR((this->*add_rest)(rest, is_start && at == 0));
      Add(hit.id);
      at = hit.range.end;
    }
    return (this->*add_rest)(text.substr(at), is_start && at == 0);
  }

  std::vector<int32_t> TakeIds() { return std::move(ids_); }

 private:
  absl::Status AddNormalized(std::string_view text, bool is_start) {
    const auto add = [&](std::string_view piece) {
      if (const auto* bpe = std::get_if<BpeModel>(&tokenizer_.model_)) {
        bpe->Append(piece, merging_, ids_);
      } else {
        std::get<UnigramModel>(tokenizer_.model_).Append(piece, cutting_, ids_);
      }
    };
    return tokenizer_.pretokenizer_.ForEachPiece(text, is_start, regex_, add);
  }

  const BpeTokenizer& tokenizer_;
  RegexScratch regex_;
  BpeModel::Scratch merging_;
  UnigramModel::Scratch cutting_;
  std::vector<int32_t> ids_;
};

absl::StatusOr<std::unique_ptr<BpeTokenizer>> BpeTokenizer::Create(TokenizerSpec spec) {
  SY_ASSIGN_OR_RETURN(Normalizer normalizer, Normalizer::Create(spec.normalizers));
  SY_ASSIGN_OR_RETURN(Pretokenizer pretokenizer, Pretokenizer::Create(spec.splits));
  std::vector<AddedTokenSpec> verbatim;
  for (const AddedTokenSpec& token : spec.added_tokens) {
    if (!token.normalized) verbatim.push_back(token);
  }
  SY_ASSIGN_OR_RETURN(const std::vector<AddedTokenSpec> normalized,
                      NormalizedForms(spec.added_tokens, normalizer));
  AddedTokens all(spec.added_tokens);
  std::unique_ptr<BpeTokenizer> tokenizer(
      new BpeTokenizer(std::move(spec), std::move(normalizer), std::move(pretokenizer),
                       AddedTokens(verbatim), AddedTokens(normalized), std::move(all)));
  const TokenizerSpec& kept = tokenizer->spec_;
  if (kept.unigram.has_value()) {
    SY_ASSIGN_OR_RETURN(tokenizer->model_, UnigramModel::Create(kept));
  } else {
    SY_ASSIGN_OR_RETURN(tokenizer->model_, BpeModel::Create(kept));
  }
  return tokenizer;
}

BpeTokenizer::BpeTokenizer(TokenizerSpec spec, Normalizer normalizer, Pretokenizer pretokenizer,
                           AddedTokens verbatim, AddedTokens normalized, AddedTokens all)
    : spec_(std::move(spec)),
      max_token_bytes_(MaxTokenBytes(spec_)),
      normalizer_(std::move(normalizer)),
      pretokenizer_(std::move(pretokenizer)),
      verbatim_tokens_(std::move(verbatim)),
      normalized_tokens_(std::move(normalized)),
      all_tokens_(std::move(all)) {
  for (const AddedTokenSpec& token : spec_.added_tokens)
    id_by_bytes_.emplace(token.content, token.id);
  // A byte of its own has its meaning where no character has it.
  for (const bool is_byte : {false, true}) {
    for (size_t id = 0; id < spec_.tokens.size(); ++id) {
      const TokenSpec& token = spec_.tokens[id];
      if (token.is_defined && token.is_byte == is_byte) {
        id_by_bytes_.emplace(token.bytes, int32_t(id));
      }
    }
  }
}

absl::StatusOr<std::vector<int32_t>> BpeTokenizer::Encode(std::string_view text,
                                                          const EncodeOptions& options) const {
  SY_RETURN_IF_ERROR(CheckText(text));
  Call call(*this);
  if (options.add_special_tokens) {
    for (const int32_t id : spec_.prefix_ids) call.Add(id);
  }
  if (options.parse_special) {
    const TextRange whole{0, text.size()};
    SY_RETURN_IF_ERROR(call.AddAround(text, /*is_start=*/true,
                                      verbatim_tokens_.Find(text, {&whole, 1}),
                                      &Call::AddWithNormalizedTokens));
  } else {
    SY_RETURN_IF_ERROR(call.AddPlain(text, /*is_start=*/true));
  }
  return call.TakeIds();
}

absl::StatusOr<std::vector<int32_t>> BpeTokenizer::EncodeRendered(
    const RenderedText& prompt) const {
  const std::string text = prompt.Text();
  SY_RETURN_IF_ERROR(CheckText(text));
  Call call(*this);
  SY_RETURN_IF_ERROR(call.AddAround(
      text, /*is_start=*/true, all_tokens_.Find(text, TemplateRanges(prompt)), &Call::AddPlain));
  return call.TakeIds();
}

std::string_view BpeTokenizer::DecodeToken(int32_t id) const {
  return id >= 0 && id < vocab_size() ? std::string_view(spec_.tokens[id].bytes)
                                      : std::string_view();
}

bool BpeTokenizer::IsSpecial(int32_t id) const {
  return id >= 0 && id < vocab_size() && spec_.tokens[id].is_special;
}

std::optional<int32_t> BpeTokenizer::TokenToId(std::string_view token) const {
  const auto found = id_by_bytes_.find(token);
  return found == id_by_bytes_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<int32_t> BpeTokenizer::bos_id() const {
  return spec_.bos_id < 0 ? std::nullopt : std::optional(spec_.bos_id);
}

std::optional<int32_t> BpeTokenizer::eos_id() const {
  return spec_.eos_id < 0 ? std::nullopt : std::optional(spec_.eos_id);
}

}  // namespace switchyard::text
