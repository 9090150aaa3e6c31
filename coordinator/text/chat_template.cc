#include "coordinator/text/chat_template.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "coordinator/text/jinja_eval.h"
#include "coordinator/text/jinja_parser.h"
#include "coordinator/text/utf8.h"

namespace switchyard::text {
namespace {

using jinja::Runtime;
using jinja::Text;
using jinja::Value;

constexpr std::string_view kContent = "content";
constexpr std::string_view kReservedNames[] = {"messages",  "tools",     "documents",
                                               "bos_token", "eos_token", "add_generation_prompt"};

// Roles choose between a few words that the API itself defines. Templates build special tokens
// around them
// ("<|" + role + "|>"), so these words, as roles, count as the template's.
constexpr std::string_view kRoles[] = {"system", "developer", "user",   "assistant",
                                       "tool",   "function",  "ipython"};

// Copies a request's JSON into values; all its strings are the user's.
class Importer {
 public:
  explicit Importer(Runtime& runtime) : runtime_(runtime) {}

  Value Import(const Json& json) {
    switch (json.type()) {
      case Json::value_t::boolean:
        return Value(json.get<bool>());
      case Json::value_t::number_integer:
        return Value(json.get<int64_t>());
      case Json::value_t::number_unsigned:
        return Unsigned(json.get<uint64_t>());
      case Json::value_t::number_float:
        return Value(json.get<double>());
      case Json::value_t::string:
        return UserString(json.get_ref<const std::string&>());
      case Json::value_t::array:
        return ImportArray(json);
      case Json::value_t::object:
        return ImportObject(json);
      default:
        return Value::None();
    }
  }

  // A list of messages. REQUIRES: an array of objects.
  Value ImportMessages(const Json& messages) {
    std::vector<Value> items;
    for (const Json& message : messages) {
      if (runtime_.exhausted()) break;
      jinja::Dict& dict = runtime_.NewDict();
      for (const auto& [key, value] : message.items()) {
        if (key == kContent && value.is_null()) {
          dict.null_member = kContent;
          continue;
        }
        AddEntry(dict, key, key == "role" ? ImportRole(value) : Import(value));
      }
      items.emplace_back(&dict);
    }
    return runtime_.NewList(std::move(items));
  }

 private:
  static Value Unsigned(uint64_t number) {
    if (number <= uint64_t(std::numeric_limits<int64_t>::max())) return Value(int64_t(number));
    return Value(double(number));
  }

  Value UserString(const std::string& bytes) {
    return runtime_.NewString(
        Text(IsValidUtf8(bytes) ? bytes : ReplaceInvalidUtf8(bytes), /*from_user=*/true));
  }

  Value ImportRole(const Json& role) {
    if (role.is_string() &&
        std::count(std::begin(kRoles), std::end(kRoles), role.get_ref<const std::string&>()) > 0) {
      return Value::Literal(role.get<std::string>());
    }
    return Import(role);
  }

  Value ImportArray(const Json& array) {
    std::vector<Value> items;
    for (const Json& item : array) {
      if (runtime_.exhausted()) break;
      items.push_back(Import(item));
    }
    return runtime_.NewList(std::move(items));
  }

  Value ImportObject(const Json& object) {
    jinja::Dict& dict = runtime_.NewDict();
    for (const auto& [key, value] : object.items()) {
      if (runtime_.exhausted()) break;
      AddEntry(dict, key, Import(value));
    }
    return Value(&dict);
  }

  // Keys of a JSON object differ: no need to look for the key.
  void AddEntry(jinja::Dict& dict, const std::string& key, Value value) {
    runtime_.Memory(2 * sizeof(Value));
    dict.items.emplace_back(UserString(key), std::move(value));
  }

  Runtime& runtime_;
};

absl::Status CheckInput(const TemplateInput& input) {
  if (!input.messages.is_array()) return absl::InvalidArgumentError("messages: must be a list");
  for (size_t i = 0; i < input.messages.size(); ++i) {
    if (!input.messages[i].is_object()) {
      return absl::InvalidArgumentError(fmt::format("messages[{}]: must be an object", i));
    }
  }
  if (input.tools != nullptr && !input.tools->is_array() && !input.tools->is_null()) {
    return absl::InvalidArgumentError("tools: must be a list");
  }
  if (input.kwargs == nullptr || input.kwargs->is_null()) return absl::OkStatus();
  if (!input.kwargs->is_object()) {
    return absl::InvalidArgumentError("chat_template_kwargs: must be an object");
  }
  for (const auto& [name, value] : input.kwargs->items()) {
    if (ChatTemplate::IsReserved(name)) {
      return absl::InvalidArgumentError(
          fmt::format("chat_template_kwargs: '{}' cannot be set here", name));
    }
  }
  return absl::OkStatus();
}

}  // namespace

bool ChatTemplate::IsReserved(std::string_view variable) {
  return std::find(std::begin(kReservedNames), std::end(kReservedNames), variable) !=
         std::end(kReservedNames);
}

absl::StatusOr<ChatTemplate> ChatTemplate::Compile(std::string_view source) {
  SY_ASSIGN_OR_RETURN(jinja::Block block, jinja::ParseTemplate(source));
  return ChatTemplate(std::make_shared<const jinja::Block>(std::move(block)));
}

absl::StatusOr<RenderedText> ChatTemplate::Render(const TemplateInput& input,
                                                  const jinja::Limits& limits) const {
  SY_RETURN_IF_ERROR(CheckInput(input));
  Runtime runtime(limits, input.now);
  Importer importer(runtime);
  std::vector<std::pair<std::string_view, Value>> variables = {
      {"messages", importer.ImportMessages(input.messages)},
      {"tools", input.tools != nullptr ? importer.Import(*input.tools) : Value::None()},
      {"documents", Value::None()},
      {"add_generation_prompt", Value(input.add_generation_prompt)},
  };
  for (const auto& [name, token] :
       {std::pair("bos_token", input.bos_token), std::pair("eos_token", input.eos_token)}) {
    if (!token.empty()) variables.emplace_back(name, Value::Literal(ReplaceInvalidUtf8(token)));
  }
  if (input.kwargs != nullptr && input.kwargs->is_object()) {
    for (auto entry = input.kwargs->begin(); entry != input.kwargs->end(); ++entry) {
      variables.emplace_back(entry.key(), importer.Import(entry.value()));
    }
  }
  SY_ASSIGN_OR_RETURN(const Text text, jinja::Evaluate(runtime, *block_, variables));
  RenderedText rendered;
  text.ForEachRun(
      [&](std::string_view run, bool from_user) { rendered.Append(std::string(run), from_user); });
  return rendered;
}

}  // namespace switchyard::text
