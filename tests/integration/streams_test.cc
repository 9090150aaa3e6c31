// Hundreds of clients at once, some of whom leave without a word and some of whom read late or
// slowly: the others get the text that they would get alone, and nothing of the rest stays.
#include <chrono>
#include <filesystem>
#include <fstream>

#include "base/random.h"
#include "base/units.h"
#include "tests/integration/cluster_fixture.h"
#include "tests/integration/same_bits_requests.h"
#include "tests/integration/stream_set.h"

namespace switchyard::testing {
namespace {

using std::chrono::seconds;

constexpr int kNumClients = 500;
constexpr uint64_t kSeed = 20260724;

// By how much a process may have grown with the second wave. Sanitizers keep what was freed.
int64_t MemorySlack(const std::string& command) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return command.empty() ? 0 : kGiB;
#else
  // 6 KiB of each request where they are kept.
  return command.find("/switchyard-coordinator ") != std::string::npos ? 3 * kMiB : 8 * kMiB;
#endif
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

class StreamsTest : public ClusterTest {
 protected:
  static ClientManner MannerOf(uint64_t wave, int client) {
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
      const std::string body = requests_.MakeBody(AskOf(wave, i), {{"stream", true}});
      clients.Open(PostAndClose("/v1/completions", body), MannerOf(wave, i));
    }
    ASSERT_TRUE(clients.ReadUntilAllEnd(seconds(100))) << cluster.Log();
    // Who reads late holds neither the others up nor blocks.
    ExpectIdle(cluster);
    clients.LetAllRead();
    ASSERT_TRUE(clients.ReadUntilAllEnd(seconds(20))) << cluster.Log();
    int num_left = 0;
    for (int i = 0; i < kNumClients; ++i) {
      const ClientStream& stream = clients.streams()[static_cast<size_t>(i)];
      num_left += stream.hung_up ? 1 : 0;
      if (stream.hung_up) continue;
      const Ask ask = AskOf(wave, i);
      EXPECT_TRUE(stream.IsDone()) << requests_.Name(ask) << ": " << stream.bytes;
      EXPECT_EQ(stream.Text(), TextAlone(ask)) << requests_.Name(ask);
    }
    EXPECT_GT(num_left, kNumClients / 5);
    EXPECT_LT(num_left, kNumClients / 2);
  }

  SameBitsRequests requests_;
  AnswersAlone alone_{requests_};
};

TEST_F(StreamsTest, FiveHundredGetTheirTextAndLeaveNothingBehind) {
  // Few blocks, so that requests wait for each other and are preempted.
  const Cluster& cluster = StartServing(
      {.data_parallel = 2, .more_flags = {"--kv-blocks", "96", "--max-running", "32"}});
  const Holdings idle = HoldingsOf(cluster);
  Wave(0, cluster);
  ASSERT_FALSE(HasFailure());
  const Holdings once = HoldingsOf(cluster);
  Wave(1, cluster);
  ASSERT_FALSE(HasFailure());

  for (const auto& [pid, command] : cluster.Processes()) {
    const int64_t num_files = idle.open_files.at(pid);
    EXPECT_TRUE(WaitUntil(
        seconds(10), [&, pid = pid] { return HoldingsOf(cluster).open_files[pid] <= num_files; }))
        << HoldingsOf(cluster).open_files[pid] << " open files, not " << num_files << ": "
        << command;
  }
  // What the first wave needed serves the second, too.
  const Holdings twice = HoldingsOf(cluster);
  for (const auto& [pid, command] : cluster.Processes()) {
    std::printf("%s: %ld KiB idle, %ld after one wave, %ld after two\n",
                command.substr(0, 60).c_str(), idle.memory.at(pid) / kKiB,
                once.memory.at(pid) / kKiB, twice.memory.at(pid) / kKiB);
    EXPECT_LT(twice.memory.at(pid), once.memory.at(pid) + MemorySlack(command)) << command;
  }
}

}  // namespace
}  // namespace switchyard::testing
