#include "coordinator/text/normalizer.h"

#include <utf8proc.h>

#include <algorithm>

#include "base/check.h"
#include "coordinator/text/tokenizer.h"
#include "coordinator/text/utf8.h"

namespace switchyard::text {
namespace {

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

int CombiningClass(int32_t codepoint) { return utf8proc_get_property(codepoint)->combining_class; }

// Canonical order: runs of marks sorted by class. utf8proc's own sort is quadratic in the length of
// a run.
void OrderMarks(std::vector<int32_t>& codepoints) {
  const auto is_mark = [](int32_t c) { return CombiningClass(c) != 0; };
  const auto by_class = [](int32_t a, int32_t b) { return CombiningClass(a) < CombiningClass(b); };
  auto at = codepoints.begin();
  while ((at = std::find_if(at, codepoints.end(), is_mark)) != codepoints.end()) {
    const auto end = std::find_if_not(at, codepoints.end(), is_mark);
    std::stable_sort(at, end, by_class);
    at = end;
  }
}

absl::StatusOr<std::string> ToForm(UnicodeFormSpec::Form form, std::string_view text) {
  using Form = UnicodeFormSpec::Form;
  if (IsAscii(text)) return std::string(text);  // every form of ASCII is itself
  const bool compatible = form == Form::kNfkc || form == Form::kNfkd;
  const bool composed = form == Form::kNfc || form == Form::kNfkc;
  const int flags = UTF8PROC_STABLE | (compatible ? UTF8PROC_COMPAT : 0);
  const auto decompose = static_cast<utf8proc_option_t>(flags | UTF8PROC_DECOMPOSE);
  const auto compose = static_cast<utf8proc_option_t>(flags | UTF8PROC_COMPOSE);

  std::vector<int32_t> codepoints;
  while (!text.empty()) {
    const int num_bytes = ReadUtf8Head(text).num_bytes;
    int32_t parts[32];  // the longest decomposition has 18 codepoints
    int last_bound_class = 0;
    const auto num_parts = utf8proc_decompose_char(int32_t(DecodeUtf8(text.substr(0, num_bytes))),
                                                   parts, 32, decompose, &last_bound_class);
    SY_CHECK(num_parts >= 0 && num_parts <= 32);
    codepoints.insert(codepoints.end(), parts, parts + num_parts);
    text.remove_prefix(num_bytes);
  }
  OrderMarks(codepoints);
  if (composed) {
    const auto length =
        utf8proc_normalize_utf32(codepoints.data(), utf8proc_ssize_t(codepoints.size()), compose);
    SY_CHECK(length >= 0);
    codepoints.resize(size_t(length));
  }
  std::string out;
  for (const int32_t codepoint : codepoints) AppendUtf8(uint32_t(codepoint), out);
  return out;
}

std::string Lowercase(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const int num_bytes = ReadUtf8Head(text).num_bytes;
    const uint32_t codepoint = DecodeUtf8(text.substr(0, num_bytes));
    text.remove_prefix(num_bytes);
    if (codepoint == 0x130) {  // the one character whose lower case is two: i and a dot above
      out += "i\xcc\x87";
    } else {
      AppendUtf8(uint32_t(utf8proc_tolower(int32_t(codepoint))), out);
    }
  }
  return out;
}

absl::StatusOr<std::string> ReplaceAll(const Regex& pattern, std::string_view content,
                                       std::string_view text, RegexScratch& scratch) {
  std::string out;
  size_t copied = 0;
  MatchWalk walk(pattern, text, scratch);
  Regex::Match match;
  while (true) {
    SY_ASSIGN_OR_RETURN(const bool found, walk.Next(match));
    if (!found) break;
    out.append(text.substr(copied, match.begin - copied)).append(content);
    copied = match.end;
    if (out.size() > kMaxEncodeBytes) break;
  }
  out.append(text.substr(copied));
  return out;
}

std::string_view Strip(const StripSpec& sides, std::string_view text) {
  while (sides.left && IsWhiteSpace(CharacterAfter(text, 0))) {
    text.remove_prefix(CharacterAfter(text, 0).size());
  }
  while (sides.right && IsWhiteSpace(CharacterBefore(text, text.size()))) {
    text.remove_suffix(CharacterBefore(text, text.size()).size());
  }
  return text;
}

}  // namespace

absl::StatusOr<Normalizer> Normalizer::Create(const std::vector<NormalizerSpec>& specs) {
  Normalizer normalizer;
  for (const NormalizerSpec& spec : specs) {
    if (const auto* replace = std::get_if<ReplaceSpec>(&spec)) {
      const std::string& pattern = replace->pattern.text;
      SY_ASSIGN_OR_RETURN(Regex regex, replace->pattern.is_regex ? Regex::Compile(pattern)
                                                                 : Regex::Literal(pattern));
      normalizer.steps_.emplace_back(Replace{std::move(regex), replace->content});
    } else if (const auto* form = std::get_if<UnicodeFormSpec>(&spec)) {
      normalizer.steps_.emplace_back(*form);
    } else if (const auto* prepend = std::get_if<PrependSpec>(&spec)) {
      normalizer.steps_.emplace_back(*prepend);
    } else if (const auto* strip = std::get_if<StripSpec>(&spec)) {
      normalizer.steps_.emplace_back(*strip);
    } else if (const auto* precompiled = std::get_if<PrecompiledSpec>(&spec)) {
      auto charsmap = Charsmap::Parse(precompiled->charsmap);
      SY_RETURN_IF_ERROR(Annotate(charsmap.status(), "normalizer: precompiled_charsmap"));
      normalizer.steps_.emplace_back(*std::move(charsmap));
    } else {
      normalizer.steps_.emplace_back(LowercaseSpec{});
    }
  }
  return normalizer;
}

absl::StatusOr<std::string> Normalizer::Apply(std::string_view text, RegexScratch& scratch) const {
  std::string out(text);
  for (const Step& step : steps_) {
    if (const auto* form = std::get_if<UnicodeFormSpec>(&step)) {
      SY_ASSIGN_OR_RETURN(out, ToForm(form->form, out));
    } else if (const auto* replace = std::get_if<Replace>(&step)) {
      SY_ASSIGN_OR_RETURN(out, ReplaceAll(replace->pattern, replace->content, out, scratch));
    } else if (const auto* prepend = std::get_if<PrependSpec>(&step)) {
      if (!out.empty()) out.insert(0, prepend->text);
    } else if (const auto* strip = std::get_if<StripSpec>(&step)) {
      out = std::string(Strip(*strip, out));
    } else if (const auto* charsmap = std::get_if<Charsmap>(&step)) {
      SY_ASSIGN_OR_RETURN(out, charsmap->Apply(out, kMaxEncodeBytes));
    } else {
      out = Lowercase(out);
    }
    if (out.size() > kMaxEncodeBytes) {
      return absl::ResourceExhaustedError(
          fmt::format("normalizing makes the text longer than {}", FormatBytes(kMaxEncodeBytes)));
    }
  }
  return out;
}

}  // namespace switchyard::text
