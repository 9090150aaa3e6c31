// bench_serving: latency and throughput of any OpenAI-compatible server, as its clients see them.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>

#include "base/exit_code.h"
#include "base/file.h"
#include "bench/serving/load.h"
#include "bench/serving/prompts.h"
#include "bench/serving/report.h"

namespace switchyard::bench {
namespace {

struct Flags {
  std::string url = "http://127.0.0.1:8000";
  std::string model;
  std::string endpoint = "chat";
  int requests = 100;
  int concurrency = 8;
  double rate = 0;
  int prompt_tokens = 128;
  int output_tokens = 128;
  std::string prompts_path;
  std::string extra;
  std::string json_path;
  uint64_t seed = 0;
};

// The first model that the server lists.
absl::StatusOr<std::string> AskForModel(const cli::HttpAddress& address) {
  SY_ASSIGN_OR_RETURN(const cli::HttpAnswer answer, cli::HttpClient(address).Get("/v1/models"));
  const absl::StatusOr<Json> json = ParseJson(answer.body);
  if (answer.status != 200 || !json.ok() || !json->is_object() || !json->contains("data") ||
      !(*json)["data"].is_array() || (*json)["data"].empty() ||
      !(*json)["data"][0].contains("id") || !(*json)["data"][0]["id"].is_string()) {
    return absl::NotFoundError(fmt::format("{}:{}/v1/models names no model; give one with --model",
                                           address.host, address.port));
  }
  return (*json)["data"][0]["id"].get<std::string>();
}

absl::StatusOr<Json> ParseExtra(const std::string& text) {
  if (text.empty()) return Json::object();
  absl::StatusOr<Json> extra = ParseJson(text);
  if (!extra.ok()) return Annotate(extra.status(), "--extra");
  if (!extra->is_object()) return absl::InvalidArgumentError("--extra is no JSON object");
  return extra;
}

void DrawProgress(int done, int total) {
  if (isatty(STDERR_FILENO) == 0) return;
  fmt::print(stderr, "\r{} of {} requests{}", done, total, done == total ? "\n\n" : "");
}

absl::Status RunBench(const Flags& flags) {
  SY_ASSIGN_OR_RETURN(const cli::HttpAddress address, cli::ParseHttpAddress(flags.url));
  BodyOptions body{.endpoint = flags.endpoint == "chat" ? Endpoint::kChat : Endpoint::kCompletions,
                   .model = flags.model,
                   .max_tokens = flags.output_tokens};
  SY_ASSIGN_OR_RETURN(body.extra, ParseExtra(flags.extra));
  std::vector<Json> prompts;
  if (!flags.prompts_path.empty()) {
    SY_ASSIGN_OR_RETURN(prompts, ReadPrompts(flags.prompts_path, body.endpoint));
  }
  if (body.model.empty()) {
    SY_ASSIGN_OR_RETURN(body.model, AskForModel(address));
  }
  const auto make_body = [&](int index) {
    const auto number = static_cast<size_t>(index);
    return MakeBody(body, prompts.empty()
                              ? Json(RandomWords(flags.seed, number, flags.prompt_tokens))
                              : prompts[number % prompts.size()]);
  };
  const std::string path =
      body.endpoint == Endpoint::kChat ? "/v1/chat/completions" : "/v1/completions";
  const LoadResult result =
      RunLoad({.address = address,
               .path = path,
               .num_requests = flags.requests,
               .concurrency = flags.concurrency,
               .requests_per_s = flags.rate,
               .seed = flags.seed,
               .body = make_body,
               .progress = [&](int done) { DrawProgress(done, flags.requests); }});
  const Report report = MakeReport(result);
  const std::string load = flags.rate > 0
                               ? fmt::format("{} requests/s arriving, at most {} at a time",
                                             flags.rate, flags.concurrency)
                               : fmt::format("{} at a time", flags.concurrency);
  fmt::print("{}{}, model {}, {}\n{}", flags.url, path, body.model, load, ToTable(report));
  if (!flags.json_path.empty()) {
    SY_RETURN_IF_ERROR(WriteFile(flags.json_path, ToJson(report).dump(2) + "\n"));
  }
  if (report.num_completed == 0) return absl::UnavailableError("no request was completed");
  return absl::OkStatus();
}

}  // namespace
}  // namespace switchyard::bench

int main(int argc, char** argv) {
  using namespace switchyard;
  bench::Flags flags;
  CLI::App app(
      "Measures time to first token, time per output token, inter-token latency and throughput of\n"
      "any OpenAI-compatible server. Random words make the prompts unless a file gives them.");
  app.add_option("--url", flags.url, "Of the server, http only")->capture_default_str();
  app.add_option("--model", flags.model, "Default: the first that the server lists");
  app.add_option("--endpoint", flags.endpoint, "chat or completions")
      ->check(CLI::IsMember({"chat", "completions"}))
      ->capture_default_str();
  app.add_option("--requests", flags.requests, "In all")
      ->check(CLI::Range(1, 10'000'000))
      ->capture_default_str();
  app.add_option("--concurrency", flags.concurrency, "Under way at the most, a connection each")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option(
         "--rate", flags.rate,
         "Requests per second that arrive at random (Poisson); 0: the next as soon as one is done")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  app.add_option("--prompt-tokens", flags.prompt_tokens,
                 "Words of a random prompt, about a token each")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--output-tokens", flags.output_tokens, "max_tokens of each request")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--prompts", flags.prompts_path,
                 "JSONL file with \"prompt\" or \"messages\" in each line, used in turn");
  app.add_option(
      "--extra", flags.extra,
      R"(JSON object of further request fields, such as {"temperature":0} or {"ignore_eos":true})");
  app.add_option("--seed", flags.seed, "Of prompts and arrivals")->capture_default_str();
  app.add_option("--json", flags.json_path, "File for the figures");
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  return ReportAndExitCode("bench_serving", bench::RunBench(flags));
}
