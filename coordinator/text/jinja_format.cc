#include "coordinator/text/jinja_format.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "coordinator/text/jinja_print.h"

namespace switchyard::text::jinja {
namespace {

constexpr int kMaxWidth = 1000;

// One conversion: what stands between '%' and its letter.
struct Conversion {
  std::string flags;
  int width = 0;
  int precision = -1;
  char letter = 's';
};

class Formatter {
 public:
  Formatter(Runtime& runtime, const Text& format, const Value& arguments)
      : runtime_(runtime), format_(format), bytes_(format.bytes()), arguments_(arguments) {}

  absl::StatusOr<Value> Run() {
    while (position_ < bytes_.size() && !runtime_.exhausted()) {
      const size_t percent = std::min(bytes_.find('%', position_), bytes_.size());
      runtime_.Append(out_, format_.Slice(position_, percent));
      position_ = percent;
      if (position_ < bytes_.size()) SY_RETURN_IF_ERROR(Convert());
    }
    const bool has_tuple = arguments_.is_list() && arguments_.list().is_tuple;
    const size_t num_given = has_tuple ? arguments_.list().items.size() : 1;
    if (next_argument_ < num_given && !arguments_.is_dict()) {
      return Fault("not all arguments converted during string formatting");
    }
    return runtime_.NewString(std::move(out_));
  }

 private:
  absl::StatusOr<int> ReadNumber() {
    int number = 0;
    for (; position_ < bytes_.size() && bytes_[position_] >= '0' && bytes_[position_] <= '9';
         ++position_) {
      number = number * 10 + (bytes_[position_] - '0');
      if (number > kMaxWidth) return Fault("a width or precision over {} in a format", kMaxWidth);
    }
    return number;
  }

  absl::StatusOr<Value> NextArgument() {
    const bool has_tuple = arguments_.is_list() && arguments_.list().is_tuple;
    const size_t num_given = has_tuple ? arguments_.list().items.size() : 1;
    if (next_argument_ >= num_given) return Fault("not enough arguments for format string");
    const size_t index = next_argument_++;
    return has_tuple ? arguments_.list().items[index] : arguments_;
  }

  absl::StatusOr<Value> NamedArgument() {
    const size_t end = bytes_.find(')', position_);
    if (end == std::string::npos) return Fault("incomplete format key");
    const std::string key = bytes_.substr(position_ + 1, end - position_ - 1);
    position_ = end + 1;
    if (!arguments_.is_dict()) return Fault("format requires a mapping");
    const Value* value = arguments_.dict().Find(runtime_, key);
    if (value == nullptr) return Fault("no value for the format key '{}'", key);
    return *value;
  }

  absl::Status Convert() {
    ++position_;
    Value named;
    const bool is_named = position_ < bytes_.size() && bytes_[position_] == '(';
    if (is_named) {
      SY_ASSIGN_OR_RETURN(named, NamedArgument());
    }
    Conversion conversion;
    while (position_ < bytes_.size() &&
           std::string_view("-+ #0").find(bytes_[position_]) != std::string::npos) {
      const char flag = bytes_[position_++];
      if (conversion.flags.find(flag) == std::string::npos) conversion.flags += flag;
    }
    SY_ASSIGN_OR_RETURN(conversion.width, ReadNumber());
    if (position_ < bytes_.size() && bytes_[position_] == '.') {
      ++position_;
      SY_ASSIGN_OR_RETURN(conversion.precision, ReadNumber());
    }
    if (position_ >= bytes_.size()) return Fault("incomplete format");
    conversion.letter = bytes_[position_++];
    if (conversion.letter == '%') {
      runtime_.Append(out_, "%", false);
      return absl::OkStatus();
    }
    Value value = named;
    if (!is_named) {
      SY_ASSIGN_OR_RETURN(value, NextArgument());
    }
    if (conversion.letter == 's') return Put(conversion, Str(runtime_, value));
    if (conversion.letter == 'r') return Put(conversion, Repr(runtime_, value));
    return PutNumber(conversion, value);
  }

  absl::Status Put(const Conversion& conversion, Text text) {
    if (conversion.precision >= 0)
      text = text.Slice(0, CharOffset(text.bytes(), size_t(conversion.precision)));
    const size_t num_chars = CountChars(text.bytes());
    const std::string padding(
        size_t(conversion.width) > num_chars ? size_t(conversion.width) - num_chars : 0, ' ');
    const bool to_left = conversion.flags.find('-') != std::string::npos;
    if (!to_left) runtime_.Append(out_, padding, false);
    runtime_.Append(out_, text);
    if (to_left) runtime_.Append(out_, padding, false);
    return absl::OkStatus();
  }

  absl::Status PutNumber(const Conversion& conversion, const Value& value) {
    static constexpr std::string_view kIntegers = "dixXo";
    static constexpr std::string_view kFloats = "eEfFgG";
    const bool wants_integer = kIntegers.find(conversion.letter) != std::string::npos;
    if (!wants_integer && kFloats.find(conversion.letter) == std::string::npos) {
      return Fault("unsupported format character '{}'", conversion.letter);
    }
    if (!value.is_number()) {
      return Fault("%{} format: a number is required, not {}", conversion.letter, TypeName(value));
    }
    const std::string spec = "%" + conversion.flags + "*.*";
    char buffer[2 * kMaxWidth + 400];  // 309 digits of the largest double before its point
    if (wants_integer) {
      const double number = value.number();
      if (!(number > -9.2e18 && number < 9.2e18))
        return Fault("%{} format: out of range", conversion.letter);
      const int64_t integer = value.is_integral() ? value.integer() : int64_t(number);
      const bool is_signed = conversion.letter == 'd' || conversion.letter == 'i';
      if (!is_signed && integer < 0)
        return Fault("%{} format: a negative number", conversion.letter);
      std::snprintf(buffer, sizeof(buffer), (spec + "ll" + conversion.letter).c_str(),
                    conversion.width, conversion.precision, static_cast<long long>(integer));
    } else {
      std::snprintf(buffer, sizeof(buffer), (spec + conversion.letter).c_str(), conversion.width,
                    conversion.precision, value.number());
    }
    runtime_.Append(out_, buffer, false);
    return absl::OkStatus();
  }

  Runtime& runtime_;
  const Text& format_;
  const std::string& bytes_;
  const Value& arguments_;
  size_t position_ = 0;
  size_t next_argument_ = 0;
  Text out_;
};

}  // namespace

absl::StatusOr<Value> PercentFormat(Runtime& runtime, const Text& format, const Value& arguments) {
  return Formatter(runtime, format, arguments).Run();
}

absl::StatusOr<Value> BraceFormat(Runtime& runtime, const Text& format, const Args& arguments) {
  const std::string& bytes = format.bytes();
  Text out;
  size_t next_argument = 0;
  for (size_t at = 0; at < bytes.size() && !runtime.exhausted();) {
    const size_t brace = std::min(bytes.find_first_of("{}", at), bytes.size());
    runtime.Append(out, format.Slice(at, brace));
    if (brace == bytes.size()) break;
    if (brace + 1 < bytes.size() && bytes[brace + 1] == bytes[brace]) {  // "{{" stands for "{"
      runtime.Append(out, format.Slice(brace, brace + 1));
      at = brace + 2;
      continue;
    }
    const size_t end = bytes.find('}', brace);
    if (bytes[brace] == '}' || end == std::string::npos)
      return Fault("a single '{}' in a format", bytes[brace]);
    const std::string field = bytes.substr(brace + 1, end - brace - 1);
    at = end + 1;
    if (field.find_first_of(":!.[") != std::string::npos) {
      return Fault("the format field '{}' is not supported", field);
    }
    size_t index = field.empty() ? next_argument++ : 0;
    const auto number = std::from_chars(field.data(), field.data() + field.size(), index);
    if (field.empty() || number.ec == std::errc()) {
      if (index >= arguments.positional.size()) return Fault("not enough arguments for format");
      runtime.Append(out, Str(runtime, arguments.positional[index]));
      continue;
    }
    const auto named = std::find_if(arguments.named.begin(), arguments.named.end(),
                                    [&](const auto& argument) { return argument.first == field; });
    if (named == arguments.named.end()) return Fault("no value for the format field '{}'", field);
    runtime.Append(out, Str(runtime, named->second));
  }
  return runtime.NewString(std::move(out));
}

}  // namespace switchyard::text::jinja
