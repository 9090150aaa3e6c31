#include "cli/template_command.h"

#include <ostream>

#include "base/file.h"
#include "base/json.h"
#include "coordinator/text/chat_template_file.h"
#include "coordinator/text/jinja_parser.h"

namespace switchyard::cli {
namespace {

constexpr int64_t kMaxRequestBytes = 64 << 20;

absl::StatusOr<Json> ReadRequest(const std::string& path) {
  SY_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path, kMaxRequestBytes));
  absl::StatusOr<Json> request = ParseJson(bytes);
  if (!request.ok()) return Annotate(request.status(), path);
  if (!request->is_object() || !request->contains("messages")) {
    return absl::InvalidArgumentError(fmt::format("{}: must be an object with messages", path));
  }
  return request;
}

absl::StatusOr<text::ModelChatTemplate> ReadTemplate(const TemplateOptions& options) {
  if (options.model_folder.empty() == options.template_file.empty()) {
    return absl::InvalidArgumentError("give either a model's folder or a template file");
  }
  if (!options.model_folder.empty()) return text::LoadChatTemplate(options.model_folder);
  SY_ASSIGN_OR_RETURN(const std::string source,
                      ReadFile(options.template_file, int64_t(text::jinja::kMaxSourceBytes)));
  absl::StatusOr<text::ChatTemplate> chat = text::ChatTemplate::Compile(source);
  if (!chat.ok()) return Annotate(chat.status(), options.template_file);
  return text::ModelChatTemplate{
      .chat = *std::move(chat), .tool_use = {}, .bos_token = "", .eos_token = ""};
}

std::tm LocalTime() {
  const std::time_t now = std::time(nullptr);
  std::tm local = {};
  localtime_r(&now, &local);
  return local;
}

// chat_template_kwargs with the switches that may also stand beside it.
absl::StatusOr<Json> TemplateVariables(const Json& request) {
  Json variables = request.value("chat_template_kwargs", Json::object());
  if (variables.is_null()) variables = Json::object();
  if (!variables.is_object())
    return absl::InvalidArgumentError("chat_template_kwargs: must be an object");
  for (const char* name : {"enable_thinking", "thinking"}) {
    if (request.contains(name) && !variables.contains(name)) variables[name] = request[name];
  }
  return variables;
}

}  // namespace

absl::Status RunTemplate(const TemplateOptions& options, std::ostream& out) {
  SY_ASSIGN_OR_RETURN(const text::ModelChatTemplate model, ReadTemplate(options));
  SY_ASSIGN_OR_RETURN(const Json request, ReadRequest(options.request_file));
  SY_ASSIGN_OR_RETURN(const Json variables, TemplateVariables(request));
  const auto generate = request.find("add_generation_prompt");
  if (generate != request.end() && !generate->is_boolean()) {
    return absl::InvalidArgumentError("add_generation_prompt: must be true or false");
  }
  const auto tools = request.find("tools");
  const bool has_tools = tools != request.end() && !tools->is_null();
  SY_ASSIGN_OR_RETURN(
      const text::RenderedText rendered,
      model.Select(has_tools && !tools->empty())
          .Render({.messages = request["messages"],
                   .tools = has_tools ? &*tools : nullptr,
                   .add_generation_prompt = generate != request.end() && generate->get<bool>(),
                   .kwargs = &variables,
                   .bos_token = model.bos_token,
                   .eos_token = model.eos_token,
                   .now = options.now.value_or(LocalTime())}));
  out << rendered.Text() << std::flush;
  if (!out) return absl::ResourceExhaustedError("the output cannot be written");
  return absl::OkStatus();
}

}  // namespace switchyard::cli
