#include "bench/serving/prompts.h"

#include <string_view>

#include "base/file.h"
#include "base/random.h"
#include "base/units.h"

namespace switchyard::bench {
namespace {

constexpr int64_t kMaxFileBytes = kGiB;
constexpr std::string_view kWords[] = {
    "time",    "year",    "people",   "way",    "day",    "man",     "thing",   "woman",
    "life",    "child",   "world",    "school", "state",  "family",  "student", "group",
    "country", "problem", "hand",     "part",   "place",  "case",    "week",    "company",
    "system",  "program", "question", "work",   "number", "night",   "point",   "home",
    "water",   "room",    "mother",   "area",   "money",  "story",   "fact",    "month",
    "lot",     "right",   "study",    "book",   "eye",    "job",     "word",    "business",
    "issue",   "side",    "kind",     "head",   "house",  "service", "friend",  "father",
    "power",   "hour",    "game",     "line",   "end",    "member",  "law",     "car"};

}  // namespace

std::string RandomWords(uint64_t seed, uint64_t index, int num_words) {
  std::string text;
  for (int i = 0; i < num_words; ++i) {
    if (i > 0) text += ' ';
    text += kWords[RandomBits(MixBits(seed) ^ index, uint64_t(i)) % std::size(kWords)];
  }
  return text;
}

absl::StatusOr<std::vector<Json>> ReadPrompts(const std::string& path, Endpoint endpoint) {
  SY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxFileBytes));
  std::vector<Json> prompts;
  size_t begin = 0;
  for (int64_t number = 1; begin < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line(text.data() + begin, end - begin);
    begin = end + 1;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const absl::StatusOr<Json> json = ParseJson(line);
    if (!json.ok()) return Annotate(json.status(), fmt::format("{}: line {}", path, number));
    const bool is_object = json->is_object();
    if (is_object && endpoint == Endpoint::kChat && json->contains("messages")) {
      prompts.push_back((*json)["messages"]);
    } else if (is_object && json->contains("prompt") && (*json)["prompt"].is_string()) {
      prompts.push_back((*json)["prompt"]);
    } else {
      return absl::InvalidArgumentError(fmt::format(
          "{}: line {}: neither a \"prompt\" nor, for chat, \"messages\"", path, number));
    }
  }
  if (prompts.empty()) return absl::InvalidArgumentError(fmt::format("{}: no prompts", path));
  return prompts;
}

Json MakeBody(const BodyOptions& options, const Json& prompt) {
  Json body = {{"model", options.model},
               {"max_tokens", options.max_tokens},
               {"stream", true},
               {"stream_options", {{"include_usage", true}}}};
  if (options.endpoint == Endpoint::kCompletions) {
    body["prompt"] = prompt;
  } else if (prompt.is_string()) {
    body["messages"] = Json::array({{{"role", "user"}, {"content", prompt}}});
  } else {
    body["messages"] = prompt;
  }
  body.update(options.extra);
  return body;
}

Json CompletionBody(const Json& prompt, int max_tokens) {
  const Json extra = {{"temperature", 0}, {"ignore_eos", true}};
  return MakeBody({.endpoint = Endpoint::kCompletions, .max_tokens = max_tokens, .extra = extra},
                  prompt);
}

}  // namespace switchyard::bench
