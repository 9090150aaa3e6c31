// bench_serving_figures: what the parts of the scheduler give, side by side in one run. Starts
// `switchyard serve` once for each setting and asks it over HTTP.
//
// Throughput: requests that begin alike, one at a time and 32 at a time. Gaps: between the tokens
// of requests that run, first alone, then while prompts of 2,000 tokens come one after the other.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>

#include "base/exit_code.h"
#include "bench/serving/gaps.h"
#include "bench/serving/load.h"
#include "bench/serving/machine_stalls.h"
#include "bench/serving/own_server.h"
#include "bench/serving/prompts.h"
#include "bench/serving/report.h"

namespace switchyard::bench {
namespace {

using Words = std::vector<std::string>;

struct Flags {
  std::string model = "models/tiny-r1";
  std::vector<std::string> serve;  // more flags for all servers
  int streams = 32;
  int requests = 96;
  GapOptions gaps;
  int rounds = 1;
};

struct Setting {
  const char* name;
  Words flags;
};

constexpr int kSharedWords = 150;
constexpr int kOwnWords = 30;
constexpr int kAnswerTokens = 64;

absl::StatusOr<std::unique_ptr<OwnServer>> StartServer(const Flags& flags, const Setting& setting) {
  Words more = flags.serve;
  more.insert(more.end(), setting.flags.begin(), setting.flags.end());
  return OwnServer::Start(flags.model, more);
}

// Tokens of answers per second.
absl::StatusOr<double> Throughput(const OwnServer& server, int requests, int streams,
                                  uint64_t seed) {
  const auto body = [&](int index) {
    return CompletionBody(RandomWords(seed, 0, kSharedWords) + ". " +
                              RandomWords(seed + 1, static_cast<uint64_t>(index), kOwnWords),
                          kAnswerTokens);
  };
  SY_ASSIGN_OR_RETURN(const Report report, Finished(RunLoad({.address = server.address(),
                                                             .path = "/v1/completions",
                                                             .num_requests = requests,
                                                             .concurrency = streams,
                                                             .body = body})));
  return double(report.output_tokens) / report.wall_s;
}

absl::Status TimeThroughput(const Flags& flags) {
  const Setting settings[] = {
      {"as it comes", {}},
      {"no overlap", {"--overlap", "off"}},
      {"no prefix cache", {"--prefix-cache", "off"}},
      {"neither", {"--overlap", "off", "--prefix-cache", "off"}},
      {"no drafts", {"--drafts", "off"}},
      {"no bound on prompts", {"--max-stretch", "0"}},
  };
  fmt::print("output tokens/s; prompts of {} words, {} of them alike; answers of {} tokens\n\n",
             kSharedWords + kOwnWords, kSharedWords, kAnswerTokens);
  fmt::print("{:<24}{:>12}{:>14}{:>10}\n", "serve", "1 stream",
             fmt::format("{} streams", flags.streams), "ratio");
  for (int round = 0; round < flags.rounds; ++round) {
    for (const Setting& setting : settings) {
      SY_ASSIGN_OR_RETURN(const auto server, StartServer(flags, setting));
      const auto seed = static_cast<uint64_t>(round) * 100;
      SY_RETURN_IF_ERROR(Throughput(*server, 4, 4, seed + 90).status());  // warm
      SY_ASSIGN_OR_RETURN(const double one,
                          Throughput(*server, std::max(1, flags.requests / 8), 1, seed + 10));
      SY_ASSIGN_OR_RETURN(const double many,
                          Throughput(*server, flags.requests, flags.streams, seed + 20));
      fmt::print("{:<24}{:>12.0f}{:>14.0f}{:>10.1f}\n", setting.name, one, many, many / one);
      std::fflush(stdout);
    }
  }
  return absl::OkStatus();
}

// Guesses of drafts so far, and those of them that were right.
struct Guesses {
  double num_made = 0;
  double num_right = 0;
};

absl::StatusOr<Guesses> GuessesOf(const OwnServer& server) {
  SY_ASSIGN_OR_RETURN(const cli::HttpAnswer answer,
                      cli::HttpClient(server.address()).Get("/metrics"));
  const auto value_of = [&](std::string_view name) {
    const std::string line = fmt::format("\n{} ", name);
    const size_t found = answer.body.find(line);
    return found == std::string::npos
               ? 0.0
               : std::strtod(answer.body.c_str() + found + line.size(), nullptr);
  };
  return Guesses{.num_made = value_of("switchyard_draft_tokens_total"),
                 .num_right = value_of("switchyard_accepted_draft_tokens_total")};
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// One answer at a time, the servers in turns, so that a machine that gets slower does so for all.
absl::Status TimeDrafts(const Flags& flags) {
  constexpr int kTurns = 9;
  constexpr int kAnswers = 4;
  const Setting settings[] = {
      {"--drafts off", {"--drafts", "off"}},
      {"--drafts mtp", {"--drafts", "mtp"}},
      {"--drafts mtp --draft-tokens 2", {"--drafts", "mtp", "--draft-tokens", "2"}},
      {"--drafts ngram", {"--drafts", "ngram"}},
  };
  std::vector<std::unique_ptr<OwnServer>> servers;
  for (const Setting& setting : settings) {
    SY_ASSIGN_OR_RETURN(std::unique_ptr<OwnServer> server, StartServer(flags, setting));
    SY_RETURN_IF_ERROR(Throughput(*server, 4, 1, 1).status());  // warm
    servers.push_back(std::move(server));
  }
  std::vector<std::vector<double>> tokens_per_s(servers.size());
  for (int turn = 0; turn < kTurns; ++turn) {
    for (size_t i = 0; i < servers.size(); ++i) {
      SY_ASSIGN_OR_RETURN(const double speed, Throughput(*servers[i], kAnswers, 1,
                                                         static_cast<uint64_t>(turn) * 10 + 1000));
      tokens_per_s[i].push_back(speed);
    }
  }
  fmt::print(
      "\none answer of {} tokens at a time; the median of {} turns, from the slowest to the "
      "fastest\n\n",
      kAnswerTokens, kTurns);
  fmt::print("{:<32}{:>10}{:>16}{:>10}{:>10}\n", "serve", "tokens/s", "", "guesses", "right");
  for (size_t i = 0; i < servers.size(); ++i) {
    SY_ASSIGN_OR_RETURN(const Guesses guesses, GuessesOf(*servers[i]));
    const auto [slowest, fastest] =
        std::minmax_element(tokens_per_s[i].begin(), tokens_per_s[i].end());
    fmt::print("{:<32}{:>10.0f}{:>16}{:>10.0f}{:>10}\n", settings[i].name, Median(tokens_per_s[i]),
               fmt::format("{:.0f} to {:.0f}", *slowest, *fastest), guesses.num_made,
               guesses.num_made == 0
                   ? "-"
                   : fmt::format("{:.0f} %", 100 * guesses.num_right / guesses.num_made));
  }
  return absl::OkStatus();
}

absl::Status TimeGaps(const Flags& flags) {
  const Setting settings[] = {
      {"as it comes", {}},
      {"no drafts", {"--drafts", "off"}},
      {"and --max-stretch 1.5", {"--drafts", "off", "--max-stretch", "1.5"}},
      {"no bound on prompts", {"--max-stretch", "0"}},
      {"the same in chunks of 64", {"--max-stretch", "0", "--max-prompt-chunk", "64"}},
      {"and of 16", {"--max-stretch", "0", "--max-prompt-chunk", "16"}},
  };
  fmt::print(
      "\nmilliseconds between tokens of {} running requests, quiet and while prompts of {} tokens "
      "come one by one; medians of {} turns\nstalls: how often a second the machine alone takes a "
      "core away for over 0.5 ms and over 2 ms\nby length: over the quiet median of answers of the "
      "same length, a step of {} tokens each\n\n",
      flags.gaps.running, flags.gaps.arriving_tokens, kGapTurns, kLengthStep);
  fmt::print("{:<25}{:>11}{:>15}{:>14}{:>12}{:>12}{:>12}{:>9}{:>8}\n", "serve", "stalls",
             "quiet p50 p99", "busy p50 p99", "p99/q. p50", "quiet p99,", "busy p99", "prompts",
             "first");
  fmt::print("{:<25}{:>11}{:>15}{:>14}{:>12}{:>12}{:>12}\n", "", "", "", "", "", "by length",
             "by length");
  for (int round = 0; round < flags.rounds; ++round) {
    for (const Setting& setting : settings) {
      SY_ASSIGN_OR_RETURN(const auto server, StartServer(flags, setting));
      const auto seed = static_cast<uint64_t>(round) * 1'000'000;
      const MachineStalls stalls = MeasureStalls();
      SY_ASSIGN_OR_RETURN(const GapFigures gaps, MeasureGaps(*server, flags.gaps, seed));
      fmt::print("{:<25}{:>11}{:>15}{:>14}{:>12.2f}{:>12.2f}{:>12.2f}{:>9.0f}{:>8.0f}\n",
                 setting.name, fmt::format("{:.0f} {:.1f}", stalls.over_half_ms, stalls.over_2_ms),
                 fmt::format("{:.2f} {:.2f}", gaps.quiet_p50, gaps.quiet_p99),
                 fmt::format("{:.2f} {:.2f}", gaps.busy_p50, gaps.busy_p99),
                 gaps.busy_p99 / gaps.quiet_p50, gaps.quiet_by_length, gaps.busy_by_length,
                 gaps.num_prompts, gaps.first_token);
      std::fflush(stdout);
    }
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace switchyard::bench

int main(int argc, char** argv) {
  using namespace switchyard;
  bench::Flags flags;
  bool throughput = false, drafts = false, gaps = false;
  CLI::App app(
      "Starts `switchyard serve` with and without overlap, prefix cache and drafts, and with "
      "chunks\n"
      "of several sizes, and prints throughput, what drafts give to one answer, and the gaps "
      "between "
      "tokens.\nAll tables, or those that are named.");
  app.add_flag("--throughput", throughput, "That table");
  app.add_flag("--one-answer", drafts, "That of drafts");
  app.add_flag("--gaps", gaps, "That table");
  app.add_option("--model", flags.model, "Folder of a small checkpoint")->capture_default_str();
  app.add_option("--serve", flags.serve, "A flag for all servers, such as --serve=--dp=2");
  app.add_option("--streams", flags.streams, "At a time, for throughput")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--requests", flags.requests, "For throughput; an eighth of them one at a time")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--running", flags.gaps.running, "Requests whose gaps are timed")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--arriving-tokens", flags.gaps.arriving_tokens,
                 "Of each prompt that comes meanwhile")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--rounds", flags.rounds, "Of everything")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  const bool all = !throughput && !drafts && !gaps;
  absl::Status status;
  if (all || throughput) status = bench::TimeThroughput(flags);
  if (status.ok() && (all || drafts)) status = bench::TimeDrafts(flags);
  if (status.ok() && (all || gaps)) status = bench::TimeGaps(flags);
  return ReportAndExitCode("bench_serving_figures", status);
}
