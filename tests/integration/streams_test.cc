// Hundreds of clients at once, some of whom leave without a word and some of whom read late or
// slowly, some more than the system keeps for them: the others get the text that they would get
// alone, and nothing of the rest stays.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>

#include "base/random.h"
#include "base/units.h"
#include "tests/integration/cluster_fixture.h"
#include "tests/integration/same_bits_requests.h"
#include "tests/integration/stream_set.h"
#include "tests/testing/http_client.h"

namespace switchyard::testing {
namespace {

using std::chrono::seconds;

constexpr int kNumClients = 500;
constexpr uint64_t kLastWave = 2;
// The last to come of the last wave ask for some megabytes: more than lies in the system's buffers,
// and less than the server keeps for a client. Every other one reads nothing until all the rest is
// done, for less time than the server waits for a client that takes nothing.
constexpr int kNumLarge = 2;
// Of the others every so manieth wants an answer that takes many blocks more than its prompt.
constexpr int kLongEvery = 12;
constexpr int kNumLongTokens = 150;
constexpr int kNumLongAsks = 8;  // of different prompts
constexpr uint64_t kSeed = 20260724;

#ifdef SWITCHYARD_SANITIZED
constexpr bool kIsInstrumented = true;
#else
constexpr bool kIsInstrumented = false;
#endif

// How long a wave may take before the test gives up.
constexpr seconds kPatience{kIsInstrumented ? 900 : 100};

// By how much a process may have grown with the second wave. Sanitizers keep what was freed.
int64_t MemorySlack(const std::string& command) {
  if (kIsInstrumented) return kGiB;
  // 6 KiB of each request where they are kept.
  return command.find("/switchyard-coordinator ") != std::string::npos ? 3 * kMiB : 8 * kMiB;
}

// What the processes of a cluster have.
struct Holdings {
  std::map<pid_t, int64_t> open_files;
  std::map<pid_t, int64_t> memory;  // bytes that are theirs alone
};

int64_t PrivateMemory(pid_t pid) {
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("RssAnon:", 0) == 0) return std::atoll(line.c_str() + 8) * kKiB;
  }
  return 0;
}

Holdings HoldingsOf(const Cluster& cluster) {
  Holdings holdings;
  for (const auto& [pid, command] : cluster.Processes()) {
    std::error_code ignored;
    const std::filesystem::directory_iterator files(fmt::format("/proc/{}/fd", pid), ignored);
    holdings.open_files[pid] = std::distance(begin(files), end(files));
    holdings.memory[pid] = PrivateMemory(pid);
  }
  return holdings;
}

// Connections to clients that the server has not closed.
int NumHeld(int port) {
  std::ifstream table("/proc/net/tcp");
  const std::string local = fmt::format(":{:04X} ", port);
  int num_held = 0;
  for (std::string line; std::getline(table, line);) {
    // "N: LOCAL:PORT REMOTE:PORT STATE ...", all hexadecimal; 01 is ESTABLISHED.
    const size_t at = line.find(local);
    const size_t first_colon = line.find(": ");
    if (at == std::string::npos || at > first_colon + 12) continue;  // a client's own end
    num_held += line.substr(line.find(' ', at + local.size()) + 1, 2) == "01" ? 1 : 0;
  }
  return num_held;
}

double MetricOf(const Cluster& cluster, const std::string& name) {
  HttpClient client(cluster.http_port());
  client.Send(Get("/metrics"));
  const std::string text = client.ReadAnswer().value_or(HttpAnswer()).body;
  const size_t at = text.find("\n" + name + " ");
  return at == std::string::npos ? -1 : std::atof(text.c_str() + at + name.size() + 2);
}

class StreamsTest : public ClusterTest {
 protected:
  static bool IsLarge(uint64_t wave, int client) {
    return wave == kLastWave && client >= kNumClients - kNumLarge;
  }
  static bool IsLong(uint64_t wave, int client) {
    return !IsLarge(wave, client) && client % kLongEvery == 0;
  }

  static ClientManner MannerOf(uint64_t wave, int client) {
    if (IsLarge(wave, client)) {
      if (client % 2 == 0) return {.waits = true, .receive_buffer_bytes = 4096};
      return {.turns_between_reads = 3};
    }
    const uint64_t bits = RandomBits(kSeed + wave, static_cast<uint64_t>(client));
    ClientManner manner;
    switch (bits % 12) {
      case 0:
        manner.leaves_at_once = true;
        break;
      case 1:
      case 2:
      case 3:  // from before the first byte of an answer to behind some tokens
        manner.hang_up_at = 1 + (bits >> 8) % 6000;
        break;
      case 4:
        manner.turns_between_reads = 20;
        manner.bytes_per_read = 200;
        manner.receive_buffer_bytes = 4096;
        break;
      case 5:
        manner.waits = true;
        manner.receive_buffer_bytes = 4096;
        break;
      default:
        break;
    }
    return manner;
  }

  // A third of all ask the same, so that prefixes are found.
  Ask AskOf(uint64_t wave, int client) const {
    if (IsLarge(wave, client)) return longest_;
    if (IsLong(wave, client)) return client / kLongEvery % kNumLongAsks * kNumWays;
    const uint64_t bits = RandomBits(kSeed + wave, kNumClients + static_cast<uint64_t>(client));
    const auto limit = static_cast<uint64_t>(bits % 3 == 0 ? 10 : requests_.size());
    Ask ask = static_cast<Ask>((bits >> 8) % limit);
    // Neither what completions do not do, nor a choice behind others.
    while (SameBitsRequests::WayOf(ask) == Way::kThinking ||
           requests_.Make(ask).sampling.choice() > 0) {
      ask = (ask + 1) % requests_.size();
    }
    return ask;
  }

  std::string BodyOf(uint64_t wave, int client) const {
    Json more = {{"stream", true}};
    if (IsLarge(wave, client)) more.update({{"n", 2}, {"prompt_logprobs", 20}});
    if (IsLong(wave, client)) more.update({{"max_tokens", kNumLongTokens}, {"ignore_eos", true}});
    return requests_.MakeBody(AskOf(wave, client), more);
  }

  // What long answers are while nobody else is there.
  void AskLongAlone(const Cluster& cluster) {
    for (int i = 0; i < kNumLongAsks; ++i) {
      StreamSet alone(cluster.http_port());
      alone.Open(PostAndClose("/v1/completions", BodyOf(0, i * kLongEvery)), {});
      ASSERT_TRUE(alone.ReadUntilAllEnd(seconds(20))) << cluster.Log();
      ASSERT_TRUE(alone.streams()[0].IsDone()) << alone.streams()[0].bytes;
      long_texts_.push_back(alone.streams()[0].Text());
    }
  }

  // The request whose prompt is longest, greedy: all its choices are alike.
  Ask Longest() const {
    Ask longest = 0;
    const auto length = [&](Ask ask) { return requests_.Make(ask).prompt_tokens.size(); };
    for (Ask ask = 0; ask < requests_.size(); ask += kNumWays) {
      if (length(ask) > length(longest)) longest = ask;
    }
    return longest;
  }

  std::string TextAlone(Ask ask) {
    std::vector<int32_t> tokens;
    for (const core::TokenOutput& output : alone_.Get(v1::COMPUTE_MODE_BF16, ask).tokens) {
      tokens.push_back(output.token);
    }
    if (requests_.Ends(ask, tokens.back())) tokens.pop_back();
    return requests_.tokenizer().Decode(tokens, /*skip_special=*/true);
  }

  static void ExpectIdle(const Cluster& cluster) {
    std::optional<v1::StatusResponse> status;
    EXPECT_TRUE(WaitUntil(seconds(10), [&] {
      status = cluster.Status();
      return status.has_value() && status->kv_blocks_total() > 0 &&
             status->kv_blocks_free() == status->kv_blocks_total() &&
             status->running_requests() == 0 && status->waiting_requests() == 0;
    })) << status.value_or(v1::StatusResponse()).ShortDebugString();
  }

  void Wave(uint64_t wave, const Cluster& cluster) {
    StreamSet clients(cluster.http_port());
    for (int i = 0; i < kNumClients; ++i) {
      clients.Open(PostAndClose("/v1/completions", BodyOf(wave, i)), MannerOf(wave, i));
    }
    ASSERT_TRUE(clients.ReadUntilAllEnd(kPatience)) << cluster.Log();
    // Who reads late holds neither the others up nor blocks.
    ExpectIdle(cluster);
    EXPECT_EQ(NumHeld(cluster.http_port()), wave == kLastWave ? kNumLarge / 2 : 0);
    clients.LetAllRead();
    ASSERT_TRUE(clients.ReadUntilAllEnd(seconds(20))) << cluster.Log();
    int num_left = 0;
    for (int i = 0; i < kNumClients; ++i) {
      const ClientStream& stream = clients.streams()[static_cast<size_t>(i)];
      num_left += stream.hung_up ? 1 : 0;
      if (stream.hung_up) continue;
      const Ask ask = AskOf(wave, i);
      EXPECT_TRUE(stream.IsDone()) << requests_.Name(ask) << ": " << stream.bytes;
      EXPECT_EQ(stream.Text(), IsLong(wave, i) ? long_texts_[ask / kNumWays] : TextAlone(ask))
          << requests_.Name(ask);
    }
    EXPECT_GT(num_left, kNumClients / 5);
    EXPECT_LT(num_left, kNumClients / 2);
  }

  SameBitsRequests requests_;
  const Ask longest_ = Longest();
  std::vector<std::string> long_texts_;  // by the number of the prompt
  AnswersAlone alone_{requests_};
};

TEST_F(StreamsTest, FiveHundredGetTheirTextAndLeaveNothingBehind) {
  // Few blocks, so that requests wait for each other and are preempted.
  const Cluster& cluster = StartServing(
      {.data_parallel = 2, .more_flags = {"--kv-blocks", "64", "--max-running", "32"}});
  ASSERT_NO_FATAL_FAILURE(AskLongAlone(cluster));
  const Holdings idle = HoldingsOf(cluster);
  Wave(0, cluster);
  ASSERT_FALSE(HasFailure());
  const Holdings once = HoldingsOf(cluster);
  Wave(1, cluster);
  ASSERT_FALSE(HasFailure());
  const Holdings twice = HoldingsOf(cluster);
  Wave(kLastWave, cluster);
  ASSERT_FALSE(HasFailure());

  for (const auto& [pid, command] : cluster.Processes()) {
    const int64_t num_files = idle.open_files.at(pid);
    EXPECT_TRUE(WaitUntil(
        seconds(10), [&, pid = pid] { return HoldingsOf(cluster).open_files[pid] <= num_files; }))
        << HoldingsOf(cluster).open_files[pid] << " open files, not " << num_files << ": "
        << command;
  }
  EXPECT_GT(MetricOf(cluster, "switchyard_preemptions_total"), 0);
  // What the first wave needed serves the second, too.
  for (const auto& [pid, command] : cluster.Processes()) {
    std::printf("%s: %ld KiB idle, %ld after one wave, %ld after two\n",
                command.substr(0, 60).c_str(), idle.memory.at(pid) / kKiB,
                once.memory.at(pid) / kKiB, twice.memory.at(pid) / kKiB);
    EXPECT_LT(twice.memory.at(pid), once.memory.at(pid) + MemorySlack(command)) << command;
  }
}

}  // namespace
}  // namespace switchyard::testing
