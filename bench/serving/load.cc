#include "bench/serving/load.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <thread>

#include "base/random.h"

namespace switchyard::bench {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Seconds after the start at which each request arrives.
std::vector<double> Arrivals(const LoadOptions& options) {
  std::vector<double> arrivals(static_cast<size_t>(options.num_requests), 0.0);
  if (options.requests_per_s <= 0) return arrivals;
  for (size_t i = 1; i < arrivals.size(); ++i) {
    const double gap = -std::log(1 - RandomUnit(options.seed, i)) / options.requests_per_s;
    arrivals[i] = arrivals[i - 1] + gap;
  }
  return arrivals;
}

bool HasElements(const Json& object, const char* field) {
  const auto found = object.find(field);
  return found != object.end() && found->is_array() && !found->empty();
}

// Whether a chunk of either endpoint brings text (reasoning counts, it was generated too), or the
// log probabilities of tokens whose text waits for the next ones.
bool HasTokens(const Json& chunk) {
  const auto is_text = [](const Json& object, const char* field) {
    const auto found = object.find(field);
    return found != object.end() && found->is_string() &&
           !found->get_ref<const std::string&>().empty();
  };
  const auto choices = chunk.find("choices");
  if (choices == chunk.end() || !choices->is_array() || choices->empty()) return false;
  const Json& choice = choices->front();
  if (!choice.is_object()) return false;
  if (is_text(choice, "text")) return true;
  const auto logprobs = choice.find("logprobs");
  if (logprobs != choice.end() && logprobs->is_object() &&
      (HasElements(*logprobs, "tokens") || HasElements(*logprobs, "content"))) {
    return true;
  }
  const auto delta = choice.find("delta");
  return delta != choice.end() && delta->is_object() &&
         (is_text(*delta, "content") || is_text(*delta, "reasoning_content"));
}

int64_t UsageField(const Json& chunk, const char* field) {
  const auto usage = chunk.find("usage");
  if (usage == chunk.end() || !usage->is_object()) return 0;
  const auto found = usage->find(field);
  return found != usage->end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

// Takes the events of one answer into its record.
class AnswerTimer {
 public:
  explicit AnswerTimer(RequestRecord& record) : record_(record), sent_(Clock::now()) {}

  bool OnEvent(std::string_view payload) {
    const double now = SecondsSince(sent_);
    const absl::StatusOr<Json> chunk = ParseJson(payload);
    if (!chunk.ok() || !chunk->is_object()) {
      record_.error = "an event is no JSON object";
      return false;
    }
    if (chunk->contains("error")) {
      record_.error = cli::ErrorMessage(std::string(payload));
      return false;
    }
    if (HasTokens(*chunk)) {
      if (num_texts_++ == 0) {
        record_.first_token = now;
      } else {
        record_.gaps.push_back(now - record_.last_token);
      }
      record_.last_token = now;
    }
    record_.prompt_tokens = std::max(record_.prompt_tokens, UsageField(*chunk, "prompt_tokens"));
    record_.output_tokens =
        std::max(record_.output_tokens, UsageField(*chunk, "completion_tokens"));
    return true;
  }

  void Finish(const absl::Status& status) {
    record_.total = SecondsSince(sent_);
    if (!status.ok()) record_.error = Message(status);
    record_.num_texts = num_texts_;
    if (record_.output_tokens == 0) record_.output_tokens = num_texts_;
  }

 private:
  RequestRecord& record_;
  const Clock::time_point sent_;
  int64_t num_texts_ = 0;
};

}  // namespace

LoadResult RunLoad(const LoadOptions& options) {
  LoadResult result;
  result.requests.resize(static_cast<size_t>(options.num_requests));
  const std::vector<double> arrivals = Arrivals(options);
  std::atomic<int> next{0}, done{0};
  const Clock::time_point start = Clock::now();
  const auto client = [&] {
    cli::HttpClient http(options.address);
    for (int index = next++; index < options.num_requests; index = next++) {
      if (options.stop != nullptr && *options.stop) return;
      RequestRecord& record = result.requests[static_cast<size_t>(index)];
      const Json body = options.body(index);
      if (options.requests_per_s > 0) {
        const auto arrival = start + std::chrono::duration_cast<Clock::duration>(
                                         std::chrono::duration<double>(arrivals[size_t(index)]));
        std::this_thread::sleep_until(arrival);
        record.start_delay = SecondsSince(arrival);
      }
      AnswerTimer timer(record);
      timer.Finish(http.PostStream(
          options.path, body, [&](std::string_view payload) { return timer.OnEvent(payload); }));
      ++done;
      if (options.progress) options.progress(done);
    }
  };
  std::vector<std::thread> clients;
  for (int i = 0; i < std::min(options.concurrency, options.num_requests); ++i) {
    clients.emplace_back(client);
  }
  for (std::thread& thread : clients) thread.join();
  result.wall = SecondsSince(start);
  return result;
}

}  // namespace switchyard::bench
