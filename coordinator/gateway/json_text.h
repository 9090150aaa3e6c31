// JSON written as text, piece by piece: for answers whose tree would take many times the memory of
// their text.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_JSON_TEXT_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_JSON_TEXT_H_

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "base/json.h"
#include "coordinator/gateway/sse_writer.h"

namespace switchyard::gateway {

// A string, as DumpJson writes it; most need no escapes, and are not looked at twice.
inline void AppendString(std::string_view text, std::string* out) {
  const bool is_plain = std::all_of(text.begin(), text.end(), [](char c) {
    return c >= ' ' && c <= '~' && c != '"' && c != '\\';
  });
  if (!is_plain) return AppendJson(Json(text), out);
  *out += '"';
  *out += text;
  *out += '"';
}

// A number that reads as the same float; null for what is none.
inline void AppendNumber(float number, std::string* out) {
  if (!std::isfinite(number)) {
    *out += "null";
  } else {
    fmt::format_to(std::back_inserter(*out), "{}", double{number});
  }
}

// Appends a list or an object to `out`, which outlives it; one that began within another ends
// before that one goes on.
class JsonText {
 public:
  static JsonText List(std::string* out) { return JsonText(out, '[', ']'); }
  static JsonText Object(std::string* out) { return JsonText(out, '{', '}'); }
  ~JsonText() { out_ += end_; }
  JsonText(const JsonText&) = delete;
  JsonText& operator=(const JsonText&) = delete;

  // Where the next item, or member's value, is to be appended.
  std::string* Item() {
    if (!std::exchange(is_empty_, false)) out_ += ',';
    return &out_;
  }
  std::string* Member(std::string_view name) {
    AppendString(name, Item());
    out_ += ':';
    return &out_;
  }

 private:
  JsonText(std::string* out, char begin, char end) : out_(*out), end_(end) { out_ += begin; }

  std::string& out_;
  const char end_;
  bool is_empty_ = true;
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_JSON_TEXT_H_
