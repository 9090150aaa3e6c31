#include "coordinator/text/tokenizer_components.h"

#include <absl/strings/escaping.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "coordinator/text/utf8.h"

namespace switchyard::text {
namespace {

constexpr size_t kMaxSteps = 64;
constexpr size_t kMaxPrefixIds = 64;

constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

absl::StatusOr<std::string> ReadType(const JsonField& field) {
  SY_RETURN_IF_ERROR(field.Expect(field.value().is_object(), "an object"));
  return field.Member("type").AsString();
}

absl::Status UnknownType(const JsonField& field, std::string_view type) {
  return field.Member("type").Unsupported(fmt::format("\"{}\" is not supported", type));
}

// The steps of a component that is one step, or a Sequence of steps in member `list`, nested or
// not. None for null.
absl::Status Flatten(const JsonField& field, std::string_view list, std::vector<JsonField>& steps) {
  if (field.IsNull()) return absl::OkStatus();
  SY_ASSIGN_OR_RETURN(const std::string type, ReadType(field));
  if (type != "Sequence") {
    if (steps.size() == kMaxSteps)
      return field.Invalid(fmt::format("more than {} steps", kMaxSteps));
    steps.push_back(field);
    return absl::OkStatus();
  }
  const JsonField parts = field.Member(list);
  SY_RETURN_IF_ERROR(parts.Expect(parts.value().is_array(), "an array"));
  for (size_t i = 0; i < parts.value().size(); ++i) {
    const JsonField part = parts.Element(i);
    SY_RETURN_IF_ERROR(part.Expect(part.value().is_object(), "an object"));
    SY_RETURN_IF_ERROR(Flatten(part, list, steps));
  }
  return absl::OkStatus();
}

// {"String": "..."} or {"Regex": "..."}
absl::StatusOr<PatternSpec> ReadPattern(const JsonField& field) {
  SY_RETURN_IF_ERROR(field.Expect(field.value().is_object(), "an object"));
  for (const bool is_regex : {false, true}) {
    const JsonField kind = field.Member(is_regex ? "Regex" : "String");
    if (kind.IsNull()) continue;
    SY_ASSIGN_OR_RETURN(std::string text, kind.AsString());
    return PatternSpec{.text = std::move(text), .is_regex = is_regex};
  }
  return field.Unsupported("expected \"String\" or \"Regex\"");
}

absl::StatusOr<SplitBehavior> ReadBehavior(const JsonField& field) {
  static constexpr std::array<std::pair<std::string_view, SplitBehavior>, 5> kNames = {{
      {"Isolated", SplitBehavior::kIsolated},
      {"Removed", SplitBehavior::kRemoved},
      {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
      {"MergedWithNext", SplitBehavior::kMergedWithNext},
      {"Contiguous", SplitBehavior::kContiguous},
  }};
  SY_ASSIGN_OR_RETURN(const std::string name, field.AsString());
  for (const auto& [known, behavior] : kNames) {
    if (name == known) return behavior;
  }
  return field.Unsupported(fmt::format("\"{}\" is not supported", name));
}

absl::StatusOr<SplitSpec> ReadSplit(const JsonField& step) {
  SplitSpec split;
  SY_ASSIGN_OR_RETURN(split.pattern, ReadPattern(step.Member("pattern")));
  SY_ASSIGN_OR_RETURN(split.behavior, ReadBehavior(step.Member("behavior")));
  SY_ASSIGN_OR_RETURN(split.invert, step.Member("invert").AsBool(false));
  return split;
}

absl::StatusOr<SplitSpec> ReadDigits(const JsonField& step) {
  SY_ASSIGN_OR_RETURN(const bool individual, step.Member("individual_digits").AsBool(false));
  return SplitSpec{.pattern = {.text = "\\p{N}", .is_regex = true},
                   .behavior = individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous};
}

// The step's other half, the byte alphabet, is how BpeModel names its tokens.
absl::StatusOr<SplitSpec> ReadByteLevel(const JsonField& step) {
  SplitSpec split;
  SY_ASSIGN_OR_RETURN(const bool has_prefix, step.Member("add_prefix_space").AsBool(true));
  if (has_prefix) split.prefix_space = PrefixSpace::kAlways;
  SY_ASSIGN_OR_RETURN(split.has_pattern, step.Member("use_regex").AsBool(true));
  if (split.has_pattern) split.pattern = {.text = std::string(kGpt2Pattern), .is_regex = true};
  return split;
}

absl::StatusOr<PrefixSpace> ReadPrependScheme(const JsonField& step) {
  const JsonField scheme = step.Member("prepend_scheme");
  SY_ASSIGN_OR_RETURN(const bool has_prefix, step.Member("add_prefix_space").AsBool(true));
  if (scheme.IsNull()) return has_prefix ? PrefixSpace::kAlways : PrefixSpace::kNever;
  SY_ASSIGN_OR_RETURN(const std::string name, scheme.AsString());
  if (name != "never" && !has_prefix) {
    return scheme.Invalid(fmt::format("is \"{}\", but add_prefix_space is false", name));
  }
  if (name == "always") return PrefixSpace::kAlways;
  if (name == "first") return PrefixSpace::kFirst;
  if (name == "never") return PrefixSpace::kNever;
  return scheme.Unsupported(fmt::format("\"{}\" is not supported", name));
}

// The pre-tokenizer; as a decoder it has the same fields.
absl::StatusOr<SplitSpec> ReadMetaspace(const JsonField& step) {
  SplitSpec split;
  const JsonField replacement = step.Member("replacement");
  SY_ASSIGN_OR_RETURN(split.space, replacement.AsString());
  if (split.space.empty() || ReadUtf8Head(split.space).num_bytes != std::ssize(split.space)) {
    return replacement.Invalid(
        fmt::format("expected one character, found \"{}\"", split.space.substr(0, 40)));
  }
  SY_ASSIGN_OR_RETURN(split.prefix_space, ReadPrependScheme(step));
  SY_ASSIGN_OR_RETURN(split.has_pattern, step.Member("split").AsBool(true));
  split.pattern = {.text = split.space};
  split.behavior = SplitBehavior::kMergedWithNext;
  return split;
}

absl::StatusOr<SplitSpec> ReadSplitStep(const JsonField& step, std::string_view type) {
  if (type == "Split") return ReadSplit(step);
  if (type == "Digits") return ReadDigits(step);
  if (type == "ByteLevel") return ReadByteLevel(step);
  if (type == "Metaspace") return ReadMetaspace(step);
  if (type == "WhitespaceSplit") {
    return SplitSpec{.pattern = {.text = "\\s", .is_regex = true},
                     .behavior = SplitBehavior::kRemoved};
  }
  return UnknownType(step, type);
}

absl::StatusOr<PrecompiledSpec> ReadPrecompiled(const JsonField& step) {
  const JsonField field = step.Member("precompiled_charsmap");
  SY_ASSIGN_OR_RETURN(const std::string base64, field.AsString());
  PrecompiledSpec spec;
  if (!absl::Base64Unescape(base64, &spec.charsmap)) return field.Invalid("is not base64");
  return spec;
}

absl::StatusOr<NormalizerSpec> ReadNormalizer(const JsonField& step, std::string_view type) {
  using Form = UnicodeFormSpec::Form;
  if (type == "NFC") return UnicodeFormSpec{Form::kNfc};
  if (type == "NFD") return UnicodeFormSpec{Form::kNfd};
  if (type == "NFKC") return UnicodeFormSpec{Form::kNfkc};
  if (type == "NFKD") return UnicodeFormSpec{Form::kNfkd};
  if (type == "Lowercase") return LowercaseSpec{};
  if (type == "Precompiled") return ReadPrecompiled(step);
  if (type == "Strip") {
    StripSpec strip;
    SY_ASSIGN_OR_RETURN(strip.left, step.Member("strip_left").AsBool(true));
    SY_ASSIGN_OR_RETURN(strip.right, step.Member("strip_right").AsBool(true));
    return strip;
  }
  if (type == "Prepend") {
    SY_ASSIGN_OR_RETURN(std::string text, step.Member("prepend").AsString());
    return PrependSpec{std::move(text)};
  }
  if (type == "Replace") {
    ReplaceSpec replace;
    SY_ASSIGN_OR_RETURN(replace.pattern, ReadPattern(step.Member("pattern")));
    SY_ASSIGN_OR_RETURN(replace.content, step.Member("content").AsString());
    return replace;
  }
  return UnknownType(step, type);
}

// Spaces at the beginning are all that is stripped.
absl::StatusOr<size_t> ReadStrip(const JsonField& step) {
  const Json& start = step.Member("start").value();
  // A number that was not read from a text may be signed, whatever its value.
  const bool is_known = step.Member("content").value() == " " && start.is_number_integer() &&
                        start.get<int64_t>() >= 0 && step.Member("stop").value() == 0;
  if (is_known) return start.get<size_t>();
  return step.Unsupported("is supported only with content \" \" and stop 0");
}

absl::StatusOr<DecoderSpec> ReadMetaspaceDecoder(const JsonField& step) {
  SY_ASSIGN_OR_RETURN(const SplitSpec metaspace, ReadMetaspace(step));
  DecoderSpec decoder;
  decoder.replacements.push_back({.from = metaspace.space, .to = " "});
  if (metaspace.prefix_space != PrefixSpace::kNever) decoder.num_stripped_spaces = kAllSpaces;
  return decoder;
}

absl::StatusOr<DecoderSpec> ReadCharacterDecoder(const std::vector<JsonField>& steps) {
  static constexpr std::array<std::string_view, 4> kOrder = {"Replace", "ByteFallback", "Fuse",
                                                             "Strip"};
  DecoderSpec decoder;
  size_t at = 0;
  bool is_fused = false;
  for (const JsonField& step : steps) {
    SY_ASSIGN_OR_RETURN(const std::string type, ReadType(step));
    while (at < kOrder.size() && kOrder[at] != type) ++at;
    if (at == kOrder.size()) {
      return step.Member("type").Unsupported(fmt::format(
          "\"{}\" is not supported here: of tokens that are spelled in characters a decoder is "
          "Metaspace, or Replace, ByteFallback, Fuse and Strip, in this order",
          type));
    }
    if (type == "Replace") {
      SY_ASSIGN_OR_RETURN(const PatternSpec from, ReadPattern(step.Member("pattern")));
      SY_ASSIGN_OR_RETURN(std::string to, step.Member("content").AsString());
      if (from.is_regex || from.text.empty()) {
        return step.Member("pattern").Unsupported("must be a \"String\" that is not empty");
      }
      decoder.replacements.push_back({.from = from.text, .to = std::move(to)});
    } else if (type == "Strip") {
      SY_ASSIGN_OR_RETURN(decoder.num_stripped_spaces, ReadStrip(step));
      if (!is_fused) return step.Unsupported("is supported only behind Fuse");
    }
    decoder.falls_back |= type == "ByteFallback";
    is_fused |= type == "Fuse";
  }
  return decoder;
}

// The ids of special token `name` as TemplateProcessing lists them.
absl::Status AppendTemplateToken(const JsonField& processor, const std::string& name,
                                 const std::vector<TokenSpec>& tokens, std::vector<int32_t>& ids) {
  const JsonField list = processor.Member("special_tokens").Member(name).Member("ids");
  SY_RETURN_IF_ERROR(list.Expect(list.value().is_array(), "an array"));
  for (size_t i = 0; i < list.value().size(); ++i) {
    const JsonField id = list.Element(i);
    const bool is_token =
        id.value().is_number_unsigned() && id.value().get<uint64_t>() < tokens.size();
    if (!is_token || !tokens[id.value().get<size_t>()].is_defined)
      return id.Invalid("is not the id of a token");
    if (ids.size() == kMaxPrefixIds)
      return list.Invalid(fmt::format("more than {} ids", kMaxPrefixIds));
    ids.push_back(id.value().get<int32_t>());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<NormalizerSpec>> ReadNormalizers(const JsonField& field) {
  std::vector<JsonField> steps;
  SY_RETURN_IF_ERROR(Flatten(field, "normalizers", steps));
  std::vector<NormalizerSpec> normalizers;
  for (const JsonField& step : steps) {
    SY_ASSIGN_OR_RETURN(const std::string type, ReadType(step));
    SY_ASSIGN_OR_RETURN(NormalizerSpec normalizer, ReadNormalizer(step, type));
    normalizers.push_back(std::move(normalizer));
  }
  return normalizers;
}

absl::StatusOr<std::vector<SplitSpec>> ReadSplits(const JsonField& field, Symbols symbols) {
  std::vector<JsonField> steps;
  SY_RETURN_IF_ERROR(Flatten(field, "pretokenizers", steps));
  std::vector<SplitSpec> splits;
  for (size_t i = 0; i < steps.size(); ++i) {
    SY_ASSIGN_OR_RETURN(const std::string type, ReadType(steps[i]));
    const bool is_byte_level = type == "ByteLevel";
    if (is_byte_level && (i + 1 < steps.size() || symbols != Symbols::kBytes)) {
      return steps[i].Unsupported(
          "ByteLevel is supported only as the last pre-tokenizer, and not with byte_fallback or "
          "Unigram");
    }
    SY_ASSIGN_OR_RETURN(SplitSpec split, ReadSplitStep(steps[i], type));
    splits.push_back(std::move(split));
    if (is_byte_level) return splits;
  }
  if (symbols == Symbols::kCharacters) return splits;
  return field.Unsupported(
      "has no ByteLevel step; of BPE tokenizers only byte-level ones and those with byte_fallback "
      "are supported");
}

absl::StatusOr<DecoderSpec> ReadDecoder(const JsonField& field, Symbols symbols) {
  std::vector<JsonField> steps;
  SY_RETURN_IF_ERROR(Flatten(field, "decoders", steps));
  if (symbols == Symbols::kCharacters) {
    // Without a decoder a space would stand between any two tokens.
    if (steps.empty()) return field.Unsupported("is missing");
    SY_ASSIGN_OR_RETURN(const std::string type, ReadType(steps[0]));
    const bool is_metaspace = type == "Metaspace" && steps.size() == 1;
    return is_metaspace ? ReadMetaspaceDecoder(steps[0]) : ReadCharacterDecoder(steps);
  }
  for (const JsonField& step : steps) {
    SY_ASSIGN_OR_RETURN(const std::string type, ReadType(step));
    if (type != "ByteLevel") return UnknownType(step, type);
  }
  if (steps.empty())
    return field.Unsupported("has no ByteLevel step; only byte-level decoding is supported");
  return DecoderSpec();
}

absl::StatusOr<std::vector<int32_t>> ReadPrefixIds(const JsonField& field,
                                                   const std::vector<TokenSpec>& tokens) {
  std::vector<JsonField> steps;
  SY_RETURN_IF_ERROR(Flatten(field, "processors", steps));
  std::vector<int32_t> ids;
  for (const JsonField& step : steps) {
    SY_ASSIGN_OR_RETURN(const std::string type, ReadType(step));
    if (type == "ByteLevel") continue;  // it only moves offsets
    if (type != "TemplateProcessing") return UnknownType(step, type);
    const JsonField parts = step.Member("single");
    SY_RETURN_IF_ERROR(parts.Expect(parts.value().is_array(), "an array"));
    for (size_t i = 0; i < parts.value().size(); ++i) {
      const JsonField token = parts.Element(i).Member("SpecialToken");
      if (token.IsNull()) break;  // the text itself
      SY_ASSIGN_OR_RETURN(const std::string name, token.Member("id").AsString());
      SY_RETURN_IF_ERROR(AppendTemplateToken(step, name, tokens, ids));
    }
  }
  return ids;
}

}  // namespace switchyard::text
