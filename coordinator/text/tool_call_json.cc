#include "coordinator/text/tool_call_json.h"

#include <algorithm>

namespace switchyard::text {
namespace {

constexpr std::string_view kWhiteSpace = " \t\r\n";

std::string_view Trim(std::string_view text) {
  const size_t first = text.find_first_not_of(kWhiteSpace);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kWhiteSpace) + 1 - first);
}

// Of a number, or of `true` and its like.
bool IsScalar(char byte) {
  const auto is_within = [&](char first, char last) { return first <= byte && byte <= last; };
  return is_within('0', '9') || is_within('a', 'z') || byte == 'E' || byte == '+' || byte == '-' ||
         byte == '.';
}

bool IsOffered(std::string_view name, const std::vector<std::string>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The text of the object that is the member `key` of `object`, byte for byte: numbers stay as they
// were written. Empty if the key is spelled in another way. REQUIRES: `object` is a valid JSON
// object.
std::string_view RawObject(std::string_view object, std::string_view key) {
  const std::string quoted = fmt::format("\"{}\"", key);
  int depth = 0;
  for (size_t i = 0; i < object.size(); ++i) {
    const char c = object[i];
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (c != '"') continue;
    size_t end = i + 1;
    while (object[end] != '"') end += object[end] == '\\' ? 2 : 1;
    const bool is_key = depth == 1 && object.substr(i, end + 1 - i) == quoted;
    i = end;
    const size_t colon = object.find_first_not_of(kWhiteSpace, end + 1);
    if (!is_key || object[colon] != ':') continue;
    const size_t begin = object.find_first_not_of(kWhiteSpace, colon + 1);
    JsonObjectScanner scanner;
    size_t last = begin;
    while (!scanner.Push(object[last])) ++last;
    return object.substr(begin, last + 1 - begin);
  }
  return {};
}

// The arguments' text; none if they are no object.
std::optional<std::string> ArgumentsText(std::string_view object, const Json& call) {
  for (const char* key : {"arguments", "parameters"}) {
    const auto it = call.find(key);
    if (it == call.end()) continue;
    if (it->is_null()) return "{}";
    if (it->is_object()) {
      const std::string_view raw = RawObject(object, key);
      const auto as_written = ParseArguments(raw);  // not that of another member of this name
      return as_written.ok() && *as_written == *it ? std::string(raw) : it->dump();
    }
    if (!it->is_string()) return std::nullopt;
    const auto inner = ParseArguments(it->get_ref<const std::string&>());
    if (!inner.ok() || !inner->is_object()) return std::nullopt;
    return it->get<std::string>();
  }
  return "{}";
}

}  // namespace

std::optional<ToolCall> ParseJsonCall(std::string_view text,
                                      const std::vector<std::string>& names) {
  const std::string_view object = Trim(text);
  const auto call = ParseArguments(object);
  if (!call.ok() || !call->is_object()) return std::nullopt;
  const auto name = call->find("name");
  if (name == call->end() || !name->is_string()) return std::nullopt;
  if (!IsOffered(name->get_ref<const std::string&>(), names)) return std::nullopt;
  std::optional<std::string> arguments = ArgumentsText(object, *call);
  if (!arguments) return std::nullopt;
  return ToolCall{.name = name->get<std::string>(), .arguments = *std::move(arguments)};
}

std::optional<ToolCall> ParseNamedCall(std::string_view name, std::string_view arguments,
                                       const std::vector<std::string>& names) {
  name = Trim(name);
  arguments = Trim(arguments);
  if (!IsOffered(name, names)) return std::nullopt;
  const auto json = ParseArguments(arguments);
  if (!json.ok() || !json->is_object()) return std::nullopt;
  return ToolCall{.name = std::string(name), .arguments = std::string(arguments)};
}

absl::StatusOr<Json> ParseArguments(std::string_view text) {
  bool is_deep = false;
  using Event = Json::parse_event_t;
  const auto note_depth = [&](int depth, Event event, Json&) {
    const bool opens = event == Event::object_start || event == Event::array_start;
    is_deep |= opens && depth >= kMaxJsonDepth;  // the outermost has depth 0
    return !is_deep;                             // what is dropped is not built
  };
  Json value = Json::parse(text, note_depth, /*allow_exceptions=*/false);
  if (is_deep || value.is_discarded()) {
    return absl::InvalidArgumentError(
        is_deep ? fmt::format("nested deeper than {} levels", kMaxJsonDepth) : "malformed JSON");
  }
  return value;
}

bool JsonObjectScanner::Push(char byte) {
  if (in_string_) {
    InString(byte);
    return false;
  }
  if (IsScalar(byte)) {
    if (scalar_.empty()) Take(kValue);
    scalar_ += byte;
    return false;
  }
  EndScalar();
  const bool in_object = !open_.empty() && open_.back() == '{';
  switch (byte) {
    case '"':
      Take(kKey | kValue);
      in_string_ = true;
      next_ = (next_ & kKey) != 0 ? kColon : kComma | kEnd;
      break;
    case '{':
    case '[':
      Take(kValue);
      open_ += byte;
      next_ = (byte == '{' ? kKey : kValue) | kEnd;
      break;
    case '}':
    case ']':
      Take(kEnd);
      is_broken_ |= in_object != (byte == '}');
      if (!open_.empty()) open_.pop_back();
      next_ = kComma | kEnd;
      break;
    case ':':
      Take(kColon);
      next_ = kValue;
      break;
    case ',':
      Take(kComma);
      next_ = in_object ? kKey : kValue;
      break;
    default:
      is_broken_ |= kWhiteSpace.find(byte) == kWhiteSpace.npos;
  }
  return open_.empty();
}

void JsonObjectScanner::InString(char byte) {
  is_broken_ |= static_cast<unsigned char>(byte) < ' ';  // a line break, say
  if (escaped_) {
    escaped_ = false;
  } else if (byte == '\\') {
    escaped_ = true;
  } else if (byte == '"') {
    in_string_ = false;
  }
}

void JsonObjectScanner::EndScalar() {
  if (scalar_.empty()) return;
  is_broken_ |= !Json::accept(scalar_);
  scalar_.clear();
  next_ = kComma | kEnd;
}

}  // namespace switchyard::text
