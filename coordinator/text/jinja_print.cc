#include "coordinator/text/jinja_print.h"

#include <utf8proc.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "coordinator/text/utf8.h"

namespace switchyard::text::jinja {
namespace {

bool IsPrintable(uint32_t codepoint) {
  if (codepoint == ' ') return true;
  switch (utf8proc_category(utf8proc_int32_t(codepoint))) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

std::string HexEscape(uint32_t codepoint) {
  if (codepoint <= 0xff) return fmt::format("\\x{:02x}", codepoint);
  if (codepoint <= 0xffff) return fmt::format("\\u{:04x}", codepoint);
  return fmt::format("\\U{:08x}", codepoint);
}

// Writes str() and repr() into one text.
class Printer {
 public:
  explicit Printer(Runtime& runtime) : runtime_(runtime) {}

  Text Take() { return std::move(out_); }

  void Repr(const Value& value, int depth) {
    if (!runtime_.Work(1)) return;
    if (depth > runtime_.limits().value_depth_max) {
      runtime_.Exhaust(
          fmt::format("a value nested deeper than {} levels", runtime_.limits().value_depth_max));
      return;
    }
    switch (value.kind()) {
      case Kind::kUndefined:
        return Put("Undefined");
      case Kind::kNone:
        return Put("None");
      case Kind::kBool:
        return Put(value.as_bool() ? "True" : "False");
      case Kind::kInt:
        return Put(fmt::format("{}", value.integer()));
      case Kind::kFloat:
        return Put(FloatRepr(value.number()));
      case Kind::kString:
        return QuotedString(value.text());
      case Kind::kList:
        return ReprList(value.list(), depth);
      case Kind::kDict:
        return ReprDict(value.dict(), depth);
      case Kind::kObject:
        return Put(fmt::format("<{}>", value.object().type_name()));
    }
  }

 private:
  void Put(std::string_view text) { runtime_.Append(out_, text, false); }

  void ReprList(const List& list, int depth) {
    Put(list.is_tuple ? "(" : "[");
    for (size_t i = 0; i < list.items.size() && !runtime_.exhausted(); ++i) {
      if (i > 0) Put(", ");
      Repr(list.items[i], depth + 1);
    }
    if (list.is_tuple && list.items.size() == 1) Put(",");
    Put(list.is_tuple ? ")" : "]");
  }

  void ReprDict(const Dict& dict, int depth) {
    Put("{");
    for (size_t i = 0; i < dict.items.size() && !runtime_.exhausted(); ++i) {
      if (i > 0) Put(", ");
      Repr(dict.items[i].first, depth + 1);
      Put(": ");
      Repr(dict.items[i].second, depth + 1);
    }
    Put("}");
  }

  void QuotedString(const Text& text) {
    const std::string& bytes = text.bytes();
    const bool has_single = bytes.find('\'') != std::string::npos;
    const char quote = has_single && bytes.find('"') == std::string::npos ? '"' : '\'';
    Put(std::string_view(&quote, 1));
    text.ForEachChar([&](std::string_view character, bool from_user) {
      const char first = character[0];
      const uint32_t codepoint = DecodeUtf8(character);
      if (first == quote || first == '\\') {
        runtime_.Append(out_, std::string{'\\', first}, from_user);
      } else if (first == '\n' || first == '\r' || first == '\t') {
        const char letter = first == '\n' ? 'n' : first == '\r' ? 'r' : 't';
        runtime_.Append(out_, std::string{'\\', letter}, from_user);
      } else if (!IsPrintable(codepoint)) {
        runtime_.Append(out_, HexEscape(codepoint), from_user);
      } else {
        runtime_.Append(out_, character, from_user);
      }
    });
    Put(std::string_view(&quote, 1));
  }

  Runtime& runtime_;
  Text out_;
};

class JsonPrinter {
 public:
  JsonPrinter(Runtime& runtime, const JsonStyle& style) : runtime_(runtime), style_(style) {}

  Text Take() { return std::move(out_); }

  absl::Status Print(const Value& value, int depth) {
    if (!runtime_.Work(1)) return absl::OkStatus();
    if (depth > runtime_.limits().value_depth_max) {
      return Fault("tojson: nested deeper than {} levels", runtime_.limits().value_depth_max);
    }
    switch (value.kind()) {
      case Kind::kNone:
        Put("null");
        break;
      case Kind::kBool:
        Put(value.as_bool() ? "true" : "false");
        break;
      case Kind::kInt:
        Put(fmt::format("{}", value.integer()));
        break;
      case Kind::kFloat:
        Put(Number(value.number()));
        break;
      case Kind::kString:
        String(value.text());
        break;
      case Kind::kList:
        return PrintList(value.list(), depth);
      case Kind::kDict:
        return PrintDict(value.dict(), depth);
      case Kind::kUndefined:
      case Kind::kObject:
        return Fault("Object of type {} is not JSON serializable", TypeName(value));
    }
    return absl::OkStatus();
  }

 private:
  void Put(std::string_view text) { runtime_.Append(out_, text, false); }

  static std::string Number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
    return FloatRepr(value);
  }

  void NewLine(int depth) {
    if (!style_.is_indented) return;
    Put("\n");
    for (int i = 0; i < depth && runtime_.Append(out_, style_.indent); ++i) {
    }
  }

  absl::Status PrintList(const List& list, int depth) {
    Put("[");
    bool is_first = true;
    for (const Value& item : list.items) {
      if (!is_first) runtime_.Append(out_, style_.item_separator);
      is_first = false;
      NewLine(depth + 1);
      SY_RETURN_IF_ERROR(Print(item, depth + 1));
      if (runtime_.exhausted()) break;
    }
    if (!is_first) NewLine(depth);
    Put("]");
    return absl::OkStatus();
  }

  absl::Status PrintDict(const Dict& dict, int depth) {
    auto entries = dict.items;
    if (style_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(), [&](const auto& a, const auto& b) {
        return Str(runtime_, a.first).bytes() < Str(runtime_, b.first).bytes();
      });
    }
    Put("{");
    bool is_first = true;
    for (const auto& [key, value] : entries) {
      if (!is_first) runtime_.Append(out_, style_.item_separator);
      is_first = false;
      NewLine(depth + 1);
      if (key.is_string()) {
        String(key.text());
      } else {
        Put("\"");
        SY_RETURN_IF_ERROR(Print(key, depth + 1));
        Put("\"");
      }
      runtime_.Append(out_, style_.key_separator);
      SY_RETURN_IF_ERROR(Print(value, depth + 1));
      if (runtime_.exhausted()) break;
    }
    if (!is_first) NewLine(depth);
    Put("}");
    return absl::OkStatus();
  }

  void String(const Text& text) {
    Put("\"");
    text.ForEachChar([&](std::string_view character, bool from_user) {
      runtime_.Append(out_, Escaped(character), from_user);
    });
    Put("\"");
  }

  std::string Escaped(std::string_view character) const {
    const uint32_t codepoint = DecodeUtf8(character);
    switch (codepoint) {
      case '"':
        return "\\\"";
      case '\\':
        return "\\\\";
      case '\n':
        return "\\n";
      case '\r':
        return "\\r";
      case '\t':
        return "\\t";
      case '\b':
        return "\\b";
      case '\f':
        return "\\f";
      default:
        break;
    }
    if (codepoint >= 0x20 && (codepoint < 0x7f || !style_.ensure_ascii))
      return std::string(character);
    if (codepoint <= 0xffff) return fmt::format("\\u{:04x}", codepoint);
    const uint32_t above = codepoint - 0x10000;  // a surrogate pair
    return fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + (above >> 10), 0xdc00 + (above & 0x3ff));
  }

  Runtime& runtime_;
  const JsonStyle& style_;
  Text out_;
};

}  // namespace

Text Str(Runtime& runtime, const Value& value) {
  if (value.is_string()) return value.text();
  if (value.is_undefined()) return Text();
  Printer printer(runtime);
  printer.Repr(value, 0);
  return printer.Take();
}

Value ToStringValue(Runtime& runtime, const Value& value) {
  return value.is_string() ? value : runtime.NewString(Str(runtime, value));
}

void AppendStr(Runtime& runtime, Text& text, const Value& value) {
  if (value.is_string()) {
    runtime.Append(text, value.text());
  } else {
    runtime.Append(text, Str(runtime, value));
  }
}

Text Repr(Runtime& runtime, const Value& value) {
  Printer printer(runtime);
  printer.Repr(value, 0);
  return printer.Take();
}

std::string FloatRepr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[64];
  const auto scientific =
      std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific);
  const std::string digits(buffer, scientific.ptr);
  const int exponent = std::atoi(digits.c_str() + digits.find('e') + 1);
  if (exponent < -4 || exponent >= 16) return digits;  // both write at least two exponent digits
  const auto fixed =
      std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::fixed);
  std::string text(buffer, fixed.ptr);
  if (text.find('.') == std::string::npos) text += ".0";
  return text;
}

absl::StatusOr<Value> ToJson(Runtime& runtime, const Value& value, const JsonStyle& style) {
  JsonPrinter printer(runtime, style);
  SY_RETURN_IF_ERROR(printer.Print(value, 0));
  return runtime.NewString(printer.Take());
}

}  // namespace switchyard::text::jinja
