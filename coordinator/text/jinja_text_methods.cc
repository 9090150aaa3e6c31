// Methods of strings.
#include <utf8proc.h>

#include "coordinator/text/jinja_access.h"
#include "coordinator/text/jinja_builtins.h"
#include "coordinator/text/jinja_format.h"
#include "coordinator/text/jinja_text_ops.h"
#include "coordinator/text/utf8.h"

namespace switchyard::text::jinja {
namespace {

using Result = absl::StatusOr<Value>;

// The argument as a string; null if it was not given or is None.
absl::StatusOr<const Text*> TextArg(const Args& args, size_t index) {
  if (!args.Has(index) || args.positional[index].is_none()) return nullptr;
  const Value& value = args.positional[index];
  if (!value.is_string()) return Fault("a string is required, not '{}'", TypeName(value));
  return &value.text();
}

// The same, where there must be one.
absl::StatusOr<const Text*> RequiredTextArg(const Args& args, size_t index) {
  SY_ASSIGN_OR_RETURN(const Text* text, TextArg(args, index));
  if (text == nullptr)
    return Fault("a string is required, not '{}'", TypeName(args.positional[index]));
  return text;
}

template <Side side>
Result StripMethod(Runtime& runtime, const Value& self, const Args& args) {
  SY_ASSIGN_OR_RETURN(const Text* chars, TextArg(args, 0));
  return runtime.NewString(Strip(self.text(), side, chars != nullptr ? &chars->bytes() : nullptr));
}

template <Case wanted>
Result CaseMethod(Runtime& runtime, const Value& self, const Args&) {
  return runtime.NewString(ChangeCase(runtime, self.text(), wanted));
}

Value ToList(Runtime& runtime, std::vector<Text> parts, bool is_tuple = false) {
  std::vector<Value> items;
  for (Text& part : parts) {
    if (runtime.exhausted()) break;
    items.push_back(runtime.NewString(std::move(part)));
  }
  return runtime.NewList(std::move(items), is_tuple);
}

template <bool from_right>
Result SplitMethod(Runtime& runtime, const Value& self, const Args& args) {
  SY_ASSIGN_OR_RETURN(const Text* separator, TextArg(args, 0));
  SY_ASSIGN_OR_RETURN(const int64_t splits_max, IntArg(args, 1, -1));
  if (separator != nullptr && separator->empty()) return Fault("empty separator");
  runtime.Memory(self.text().size());
  const std::string* bytes = separator != nullptr ? &separator->bytes() : nullptr;
  return ToList(runtime, from_right ? SplitFromRight(runtime, self.text(), bytes, splits_max)
                                    : Split(runtime, self.text(), bytes, splits_max));
}

Result SplitLinesMethod(Runtime& runtime, const Value& self, const Args&) {
  return ToList(runtime, SplitLines(runtime, self.text()));
}

template <bool from_right>
Result PartitionMethod(Runtime& runtime, const Value& self, const Args& args) {
  SY_ASSIGN_OR_RETURN(const Text* separator, RequiredTextArg(args, 0));
  if (separator->empty()) return Fault("empty separator");
  const Text& text = self.text();
  const size_t at =
      from_right ? text.bytes().rfind(separator->bytes()) : text.bytes().find(separator->bytes());
  std::vector<Text> parts(3);
  if (at != std::string::npos) {
    const size_t end = at + separator->size();
    parts = {text.Slice(0, at), text.Slice(at, end), text.Slice(end, text.size())};
  } else {
    parts[from_right ? 2 : 0] = text;
  }
  return ToList(runtime, std::move(parts), /*is_tuple=*/true);
}

// One string, or a tuple of them.
template <bool at_end>
Result StartsOrEndsWith(Runtime& runtime, const Value& self, const Args& args) {
  const Value& wanted = args.positional[0];
  const std::vector<Value> candidates =
      wanted.is_list() && wanted.list().is_tuple ? wanted.list().items : std::vector<Value>{wanted};
  for (const Value& candidate : candidates) {
    if (!candidate.is_string())
      return Fault("a string or tuple is required, not '{}'", TypeName(candidate));
    if (!runtime.Work(1)) break;
    const std::string& affix = candidate.text().bytes();
    const std::string& bytes = self.text().bytes();
    if (at_end ? bytes.ends_with(affix) : bytes.starts_with(affix)) return Value(true);
  }
  return Value(false);
}

template <bool at_end>
Result RemoveAffix(Runtime& runtime, const Value& self, const Args& args) {
  SY_ASSIGN_OR_RETURN(const Text* affix, RequiredTextArg(args, 0));
  const Text& text = self.text();
  if (at_end && text.bytes().ends_with(affix->bytes())) {
    return runtime.NewString(text.Slice(0, text.size() - affix->size()));
  }
  if (!at_end && text.bytes().starts_with(affix->bytes())) {
    return runtime.NewString(text.Slice(affix->size(), text.size()));
  }
  return self;
}

Result ReplaceMethod(Runtime& runtime, const Value& self, const Args& args) {
  SY_ASSIGN_OR_RETURN(const Text* old_text, RequiredTextArg(args, 0));
  SY_ASSIGN_OR_RETURN(const Text* new_text, RequiredTextArg(args, 1));
  SY_ASSIGN_OR_RETURN(const int64_t times_max, IntArg(args, 2, -1));
  return runtime.NewString(Replace(runtime, self.text(), *old_text, *new_text, times_max));
}

Result JoinMethod(Runtime& runtime, const Value& self, const Args& args) {
  SY_ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(runtime, args.positional[0]));
  for (const Value& item : items) {
    if (!item.is_string()) return Fault("join: expected str instance, {} found", TypeName(item));
  }
  return runtime.NewString(Join(runtime, items, self.text()));
}

enum class Missing { kMinusOne, kFault };

template <bool from_right, Missing missing>
Result FindTextMethod(Runtime& runtime, const Value& self, const Args& args) {
  SY_ASSIGN_OR_RETURN(const Text* wanted, RequiredTextArg(args, 0));
  const std::string& bytes = self.text().bytes();
  runtime.Memory(bytes.size());
  const size_t at = from_right ? bytes.rfind(wanted->bytes()) : bytes.find(wanted->bytes());
  if (at != std::string::npos)
    return Value(int64_t(CountChars(std::string_view(bytes).substr(0, at))));
  if (missing == Missing::kFault) return Fault("substring not found");
  return Value(int64_t{-1});
}

Result CountTextMethod(Runtime& runtime, const Value& self, const Args& args) {
  SY_ASSIGN_OR_RETURN(const Text* wanted, RequiredTextArg(args, 0));
  const std::string& bytes = self.text().bytes();
  runtime.Memory(bytes.size());
  if (wanted->empty()) return Value(int64_t(CountChars(bytes)) + 1);
  int64_t count = 0;
  for (size_t at = bytes.find(wanted->bytes()); at != std::string::npos;
       at = bytes.find(wanted->bytes(), at + wanted->size())) {
    ++count;
  }
  return Value(count);
}

bool IsCategory(uint32_t codepoint, utf8proc_category_t first, utf8proc_category_t last) {
  const auto category = utf8proc_category(utf8proc_int32_t(codepoint));
  return category >= first && category <= last;
}
bool IsDecimal(uint32_t c) { return IsCategory(c, UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_ND); }
bool IsNumeric(uint32_t c) { return IsCategory(c, UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO); }
bool IsAlpha(uint32_t c) { return IsCategory(c, UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LO); }
bool IsAlnum(uint32_t c) { return IsAlpha(c) || IsNumeric(c); }
bool IsWhite(uint32_t c) {
  std::string bytes;
  AppendUtf8(c, bytes);
  return IsSpace(bytes);
}

template <bool (*predicate)(uint32_t)>
Result AllCharsMethod(Runtime& runtime, const Value& self, const Args&) {
  bool all = !self.text().empty();
  runtime.Memory(self.text().size());
  self.text().ForEachChar(
      [&](std::string_view character, bool) { all = all && predicate(DecodeUtf8(character)); });
  return Value(all);
}

// True if there are letters with a case, and all of them have the wanted one.
template <utf8proc_category_t wanted, utf8proc_category_t other>
Result IsCaseMethod(Runtime& runtime, const Value& self, const Args&) {
  bool has_wanted = false;
  bool has_other = false;
  runtime.Memory(self.text().size());
  self.text().ForEachChar([&](std::string_view character, bool) {
    const uint32_t codepoint = DecodeUtf8(character);
    has_wanted = has_wanted || IsCategory(codepoint, wanted, wanted);
    has_other = has_other || IsCategory(codepoint, other, other) ||
                IsCategory(codepoint, UTF8PROC_CATEGORY_LT, UTF8PROC_CATEGORY_LT);
  });
  return Value(has_wanted && !has_other);
}

Result FormatMethod(Runtime& runtime, const Value& self, const Args& args) {
  return BraceFormat(runtime, self.text(), args);
}

constexpr Builtin kTextMethods[] = {
    {"strip", StripMethod<Side::kBoth>, "chars?"},
    {"lstrip", StripMethod<Side::kLeft>, "chars?"},
    {"rstrip", StripMethod<Side::kRight>, "chars?"},
    {"upper", CaseMethod<Case::kUpper>},
    {"lower", CaseMethod<Case::kLower>},
    {"title", CaseMethod<Case::kTitle>},
    {"capitalize", CaseMethod<Case::kCapitalize>},
    {"split", SplitMethod<false>, "sep? maxsplit?"},
    {"rsplit", SplitMethod<true>, "sep? maxsplit?"},
    {"splitlines", SplitLinesMethod},
    {"partition", PartitionMethod<false>, "sep"},
    {"rpartition", PartitionMethod<true>, "sep"},
    {"startswith", StartsOrEndsWith<false>, "prefix"},
    {"endswith", StartsOrEndsWith<true>, "suffix"},
    {"removeprefix", RemoveAffix<false>, "prefix"},
    {"removesuffix", RemoveAffix<true>, "suffix"},
    {"replace", ReplaceMethod, "old new count?"},
    {"join", JoinMethod, "iterable"},
    {"find", FindTextMethod<false, Missing::kMinusOne>, "sub"},
    {"rfind", FindTextMethod<true, Missing::kMinusOne>, "sub"},
    {"index", FindTextMethod<false, Missing::kFault>, "sub"},
    {"rindex", FindTextMethod<true, Missing::kFault>, "sub"},
    {"count", CountTextMethod, "sub"},
    {"format", FormatMethod, "*"},
    {"isdigit", AllCharsMethod<IsDecimal>},
    {"isdecimal", AllCharsMethod<IsDecimal>},
    {"isnumeric", AllCharsMethod<IsNumeric>},
    {"isalpha", AllCharsMethod<IsAlpha>},
    {"isalnum", AllCharsMethod<IsAlnum>},
    {"isspace", AllCharsMethod<IsWhite>},
    {"isupper", IsCaseMethod<UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LL>},
    {"islower", IsCaseMethod<UTF8PROC_CATEGORY_LL, UTF8PROC_CATEGORY_LU>},
};

}  // namespace

std::span<const Builtin> TextMethods() { return kTextMethods; }

}  // namespace switchyard::text::jinja
