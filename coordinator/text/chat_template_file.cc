#include "coordinator/text/chat_template_file.h"

#include <map>

#include "base/file.h"
#include "base/gguf.h"
#include "base/json.h"
#include "coordinator/text/gguf_tokenizer.h"
#include "coordinator/text/jinja_parser.h"

namespace switchyard::text {
namespace {

// tokenizer_config.json lists the added tokens of a model, sometimes thousands.
constexpr int64_t kMaxConfigBytes = 32 << 20;

constexpr char kDefault[] = "default";
constexpr char kToolUse[] = "tool_use";

// Sources by name.
using Sources = std::map<std::string, std::string>;

// Null if there is no such file.
absl::StatusOr<Json> ReadJsonFile(const std::string& path) {
  const absl::StatusOr<std::string> bytes = ReadFile(path, kMaxConfigBytes);
  if (absl::IsNotFound(bytes.status())) return Json();
  SY_RETURN_IF_ERROR(bytes.status());
  absl::StatusOr<Json> json = ParseJson(*bytes);
  if (!json.ok()) return Annotate(json.status(), path);
  if (!json->is_object())
    return absl::InvalidArgumentError(fmt::format("{}: must be an object", path));
  return json;
}

// The field `chat_template` of `config`: a string, or [{"name": ..., "template": ...}, ...].
absl::StatusOr<Sources> SourcesOf(const Json& config, const std::string& path) {
  const auto field = config.is_object() ? config.find("chat_template") : config.end();
  if (!config.is_object() || field == config.end() || field->is_null()) return Sources();
  if (field->is_string()) return Sources{{kDefault, field->get<std::string>()}};
  const absl::Status malformed = absl::InvalidArgumentError(fmt::format(
      "{}: chat_template: must be a string or a list of objects with name and template", path));
  if (!field->is_array()) return malformed;
  Sources sources;
  for (const Json& entry : *field) {
    if (!entry.is_object() || !entry.contains("name") || !entry["name"].is_string() ||
        !entry.contains("template") || !entry["template"].is_string()) {
      return malformed;
    }
    sources[entry["name"].get<std::string>()] = entry["template"].get<std::string>();
  }
  return sources;
}

// The text of a special token: a string, an object with `content`, or nothing.
absl::StatusOr<std::string> TokenOf(const Json& config, const char* name, const std::string& path) {
  if (!config.is_object() || !config.contains(name) || config[name].is_null()) return std::string();
  const Json& token = config[name];
  if (token.is_string()) return token.get<std::string>();
  if (token.is_object() && token.contains("content") && token["content"].is_string()) {
    return token["content"].get<std::string>();
  }
  return absl::InvalidArgumentError(
      fmt::format("{}: {}: must be a string or an object with content", path, name));
}

absl::StatusOr<ModelChatTemplate> CompileSources(const Sources& sources, const std::string& path) {
  const auto chat = sources.find(kDefault);
  if (chat == sources.end()) {
    return absl::InvalidArgumentError(
        fmt::format("{}: chat_template: none is named \"{}\"", path, kDefault));
  }
  absl::StatusOr<ChatTemplate> compiled = ChatTemplate::Compile(chat->second);
  if (!compiled.ok()) return Annotate(compiled.status(), path);
  ModelChatTemplate model{.chat = *std::move(compiled),
                          .tool_use = {},
                          .bos_token = "",
                          .eos_token = "",
                          .source = chat->second};
  if (const auto tool_use = sources.find(kToolUse); tool_use != sources.end()) {
    absl::StatusOr<ChatTemplate> with_tools = ChatTemplate::Compile(tool_use->second);
    if (!with_tools.ok()) return Annotate(with_tools.status(), path);
    model.tool_use = *std::move(with_tools);
    model.source += tool_use->second;
  }
  return model;
}

absl::StatusOr<ModelChatTemplate> CompileModel(const Json& config, const std::string& config_path,
                                               const Sources& sources, const std::string& path) {
  SY_ASSIGN_OR_RETURN(ModelChatTemplate model, CompileSources(sources, path));
  SY_ASSIGN_OR_RETURN(model.bos_token, TokenOf(config, "bos_token", config_path));
  SY_ASSIGN_OR_RETURN(model.eos_token, TokenOf(config, "eos_token", config_path));
  return model;
}

absl::StatusOr<ModelChatTemplate> LoadFromGguf(const std::string& path) {
  SY_ASSIGN_OR_RETURN(const GgufHeader header, ReadGguf(path));
  const absl::StatusOr<Json> config = GgufTokenizerConfig(header.metadata);
  if (!config.ok()) return Annotate(config.status(), path);
  SY_ASSIGN_OR_RETURN(const Sources sources, SourcesOf(*config, path));
  if (sources.empty()) {
    return absl::NotFoundError(
        fmt::format("{}: the model has no chat template (tokenizer.chat_template)", path));
  }
  return CompileModel(*config, path, sources, path);
}

}  // namespace

absl::StatusOr<ModelChatTemplate> LoadChatTemplate(const std::string& dir) {
  if (IsGgufPath(dir)) return LoadFromGguf(dir);
  const std::string config_path = dir + "/tokenizer_config.json";
  SY_ASSIGN_OR_RETURN(const Json config, ReadJsonFile(config_path));
  std::string path = dir + "/chat_template.jinja";
  Sources sources;
  const absl::StatusOr<std::string> file = ReadFile(path, int64_t(jinja::kMaxSourceBytes));
  if (file.ok()) {
    sources[kDefault] = *file;
  } else if (!absl::IsNotFound(file.status())) {
    return file.status();
  } else {
    path = dir + "/chat_template.json";
    SY_ASSIGN_OR_RETURN(const Json json, ReadJsonFile(path));
    SY_ASSIGN_OR_RETURN(sources, SourcesOf(json, path));
  }
  if (sources.empty()) {
    path = config_path;
    SY_ASSIGN_OR_RETURN(sources, SourcesOf(config, path));
  }
  if (sources.empty()) {
    return absl::NotFoundError(
        fmt::format("{}: the model has no chat template (chat_template.jinja, chat_template.json, "
                    "or chat_template in "
                    "tokenizer_config.json)",
                    dir));
  }
  return CompileModel(config, config_path, sources, path);
}

}  // namespace switchyard::text
