// Filters that make text or a number of one value.
#include <charconv>
#include <cmath>

#include "coordinator/text/jinja_access.h"
#include "coordinator/text/jinja_builtins.h"
#include "coordinator/text/jinja_format.h"
#include "coordinator/text/jinja_operators.h"
#include "coordinator/text/jinja_print.h"
#include "coordinator/text/jinja_text_ops.h"

namespace switchyard::text::jinja {
namespace {

using Result = absl::StatusOr<Value>;

Result TrimFilter(Runtime& runtime, const Value& self, const Args& args) {
  const bool has_chars = args.Has(0) && args.positional[0].is_string();
  const std::string* chars = has_chars ? &args.positional[0].text().bytes() : nullptr;
  return runtime.NewString(Strip(Str(runtime, self), Side::kBoth, chars));
}

template <Case wanted>
Result CaseFilter(Runtime& runtime, const Value& self, const Args&) {
  return runtime.NewString(ChangeCase(runtime, Str(runtime, self), wanted));
}

Result ReplaceFilter(Runtime& runtime, const Value& self, const Args& args) {
  SY_ASSIGN_OR_RETURN(const int64_t times_max, IntArg(args, 2, -1));
  return runtime.NewString(Replace(runtime, Str(runtime, self), Str(runtime, args.positional[0]),
                                   Str(runtime, args.positional[1]), times_max));
}

Result StringFilter(Runtime& runtime, const Value& self, const Args&) {
  return ToStringValue(runtime, self);
}

Result EscapeFilter(Runtime& runtime, const Value& self, const Args&) {
  Text escaped;
  Str(runtime, self).ForEachChar([&](std::string_view character, bool from_user) {
    const char c = character[0];
    const std::string_view entity = c == '&'    ? "&amp;"
                                    : c == '<'  ? "&lt;"
                                    : c == '>'  ? "&gt;"
                                    : c == '"'  ? "&#34;"
                                    : c == '\'' ? "&#39;"
                                                : character;
    runtime.Append(escaped, entity, from_user);
  });
  return runtime.NewString(std::move(escaped));
}

// A number of blanks, or the text itself.
absl::StatusOr<Text> IndentArg(const Args& args, size_t index, int64_t fallback) {
  if (args.Has(index) && args.positional[index].is_string()) return args.positional[index].text();
  SY_ASSIGN_OR_RETURN(const int64_t width, IntArg(args, index, fallback));
  if (width > 1000) return Fault("an indentation of {} is too wide", width);
  return Text(std::string(size_t(std::max<int64_t>(width, 0)), ' '));
}

Result IndentFilter(Runtime& runtime, const Value& self, const Args& args) {
  SY_ASSIGN_OR_RETURN(const Text indent, IndentArg(args, 0, 4));
  const bool indents_first = BoolArg(args, 1, false);
  const bool indents_blank = BoolArg(args, 2, false);
  Text source = Str(runtime, self);
  const std::string newline = "\n";
  // As in Jinja, the last line end is a line of its own.
  const std::vector<Text> lines = Split(runtime, source, &newline, -1);
  Text indented;
  for (size_t i = 0; i < lines.size() && !runtime.exhausted(); ++i) {
    if (i > 0) runtime.Append(indented, newline, false);
    const bool indents = i == 0 ? indents_first : indents_blank || !lines[i].empty();
    if (indents) runtime.Append(indented, indent);
    runtime.Append(indented, lines[i]);
  }
  return runtime.NewString(std::move(indented));
}

Result ToJsonFilter(Runtime& runtime, const Value& self, const Args& args) {
  JsonStyle style{.ensure_ascii = BoolArg(args, 1, false), .sort_keys = BoolArg(args, 3, false)};
  if (args.Has(0) && !args.positional[0].is_none()) {
    style.is_indented = true;
    style.item_separator = Text(",");
    SY_ASSIGN_OR_RETURN(style.indent, IndentArg(args, 0, 0));
  }
  if (args.Has(2) && !args.positional[2].is_none()) {
    const Value& separators = args.positional[2];
    if (!separators.is_list() || separators.list().items.size() != 2) {
      return Fault("tojson: separators must be a pair of strings");
    }
    style.item_separator = Str(runtime, separators.list().items[0]);
    style.key_separator = Str(runtime, separators.list().items[1]);
  }
  return ToJson(runtime, self, style);
}

Result FormatFilter(Runtime& runtime, const Value& self, const Args& args) {
  const Text format = Str(runtime, self);
  if (args.named.empty()) return PercentFormat(runtime, format, runtime.NewTuple(args.positional));
  if (!args.positional.empty()) return Fault("format() takes either positional or named arguments");
  Dict& named = runtime.NewDict();
  for (const auto& [name, value] : args.named) named.Set(runtime, Value::Literal(name), value);
  return PercentFormat(runtime, format, Value(&named));
}

Result DefaultFilter(Runtime& runtime, const Value& self, const Args& args) {
  const bool also_for_false = BoolArg(args, 1, false);
  if (!self.is_undefined() && !(also_for_false && !IsTruthy(self))) return self;
  return args.Has(0) ? args.positional[0] : runtime.NewString(std::string());
}

// Digits as Python's int() and float() read them: blanks around, one sign. Empty if that is not
// what `text` has.
std::string NumberText(const Text& text) {
  std::string digits = Strip(text, Side::kBoth).bytes();
  std::erase(digits, '_');
  if (!digits.empty() && digits[0] == '+') digits.erase(0, 1);
  return digits;
}

bool ReadFloat(const Text& text, double& number) {
  const std::string digits = NumberText(text);
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return result.ec == std::errc() && result.ptr == digits.data() + digits.size();
}

Result IntFilter(Runtime&, const Value& self, const Args& args) {
  const Value fallback = args.Has(0) ? args.positional[0] : Value(int64_t{0});
  SY_ASSIGN_OR_RETURN(const int64_t base, IntArg(args, 1, 10));
  if (base < 2 || base > 36) return Fault("int: base {} is not between 2 and 36", base);
  if (self.is_integral()) return Value(self.integer());
  double number = 0;
  if (self.is_string()) {
    std::string digits = NumberText(self.text());
    const bool has_prefix =
        digits.size() > 2 && digits[0] == '0' &&
        ((base == 16 && (digits[1] | 0x20) == 'x') || (base == 8 && (digits[1] | 0x20) == 'o') ||
         (base == 2 && (digits[1] | 0x20) == 'b'));
    if (has_prefix) digits.erase(0, 2);
    int64_t integer = 0;
    const auto result =
        std::from_chars(digits.data(), digits.data() + digits.size(), integer, int(base));
    if (result.ec == std::errc() && result.ptr == digits.data() + digits.size())
      return Value(integer);
    if (!ReadFloat(self.text(), number)) return fallback;
  } else if (self.is_number()) {
    number = self.number();
  } else {
    return fallback;
  }
  if (!(number > -9.2e18 && number < 9.2e18)) return fallback;
  return Value(int64_t(number));
}

Result FloatFilter(Runtime&, const Value& self, const Args& args) {
  double number = 0;
  if (self.is_number()) return Value(self.number());
  if (self.is_string() && ReadFloat(self.text(), number)) return Value(number);
  return args.Has(0) ? args.positional[0] : Value(0.0);
}

Result AbsFilter(Runtime&, const Value& self, const Args&) {
  if (!self.is_number()) return Fault("bad operand type for abs(): '{}'", TypeName(self));
  if (self.number() < 0) return Negate(self);
  return self.kind() == Kind::kBool ? Value(self.integer()) : self;
}

Result RoundFilter(Runtime&, const Value& self, const Args& args) {
  if (!self.is_number()) return Fault("round: a number is required, not '{}'", TypeName(self));
  SY_ASSIGN_OR_RETURN(const int64_t precision, IntArg(args, 0, 0));
  if (precision < -300 || precision > 300) return Fault("round: a precision of {}", precision);
  const std::string method =
      args.Has(1) && args.positional[1].is_string() ? args.positional[1].text().bytes() : "common";
  const double scale = std::pow(10.0, double(precision));
  const double scaled = self.number() * scale;
  if (method == "ceil") return Value(std::ceil(scaled) / scale);
  if (method == "floor") return Value(std::floor(scaled) / scale);
  if (method != "common") return Fault("round: method must be common, ceil or floor");
  if (self.is_integral() && precision >= 0) return Value(self.integer());
  if (!std::isfinite(scaled)) return Value(self.number());
  if (precision < 0) {
    const double rounded = std::nearbyint(scaled) * std::pow(10.0, double(-precision));
    const bool stays_integral = self.is_integral() && std::fabs(rounded) < 9.2e18;
    return stays_integral ? Value(int64_t(rounded)) : Value(rounded);
  }
  // Decimal digits decide, as in Python: printing rounds the exact value half to even.
  return Value(std::stod(fmt::format("{:.{}f}", self.number(), precision)));
}

Result WordCountFilter(Runtime& runtime, const Value& self, const Args&) {
  return Value(int64_t(Split(runtime, Str(runtime, self), nullptr, -1).size()));
}

constexpr Builtin kFilters[] = {
    {"trim", TrimFilter, "chars?"},
    {"upper", CaseFilter<Case::kUpper>},
    {"lower", CaseFilter<Case::kLower>},
    {"capitalize", CaseFilter<Case::kCapitalize>},
    {"title", CaseFilter<Case::kTitleWords>},
    {"replace", ReplaceFilter, "old new count?"},
    {"string", StringFilter},
    {"safe", StringFilter},
    {"escape", EscapeFilter},
    {"e", EscapeFilter},
    {"forceescape", EscapeFilter},
    {"indent", IndentFilter, "width? first? blank?"},
    {"tojson", ToJsonFilter, "indent? ensure_ascii? separators? sort_keys?"},
    {"format", FormatFilter, "*"},
    {"default", DefaultFilter, "default_value? boolean?"},
    {"d", DefaultFilter, "default_value? boolean?"},
    {"int", IntFilter, "default? base?"},
    {"float", FloatFilter, "default?"},
    {"abs", AbsFilter},
    {"round", RoundFilter, "precision? method?"},
    {"wordcount", WordCountFilter},
};

}  // namespace

std::span<const Builtin> TextFilters() { return kFilters; }

}  // namespace switchyard::text::jinja
