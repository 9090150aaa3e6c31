// Weights on their way into `serve`: damaged, late, and packed already.
#include <grpcpp/create_channel.h>
#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/json.h"
#include "proto/inference.grpc.pb.h"
#include "tests/integration/cluster_fixture.h"
#include "tests/integration/golden_prompts.h"

namespace switchyard::testing {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

constexpr int kExitLost = 6;
constexpr char kSecondFile[] = "model-00002-of-000004.safetensors";

size_t CountOf(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// A copy of the bundled model, and room beside it.
class LoadingTest : public ClusterTest {
 protected:
  void SetUp() override {
    std::string folder = fs::temp_directory_path() / "switchyard-loading-XXXXXX";
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    model_ = folder_ / "tiny-r1";
    fs::create_directory(model_);
    for (const auto& entry : fs::directory_iterator("models/tiny-r1")) {
      if (entry.is_regular_file()) fs::copy_file(entry, model_ / entry.path().filename());
    }
  }
  void TearDown() override {
    ClusterTest::TearDown();
    fs::remove_all(folder_);
  }

  // The greedy answers of the goldens, and then a quiet end.
  void ExpectAnswersAndEnd(Cluster& cluster) {
    const auto stub = v1::Inference::NewStub(
        grpc::CreateChannel(cluster.grpc_address(), grpc::InsecureChannelCredentials()));
    const std::vector<GoldenPrompt> prompts = ReadGoldenPrompts();
    ExpectGreedyTokens(*stub, {prompts[0], prompts[1], prompts[2]}, seconds(60));
    cluster.Signal(SIGINT);
    EXPECT_EQ(cluster.WaitForExit(), 0) << cluster.Log();
  }

  // Starts a program on a disk that stops to answer.
  static std::vector<std::string> StuckAt(const std::string& file, int64_t byte) {
    return {"/usr/bin/env", "LD_PRELOAD=" SWITCHYARD_STUCK_DISK,
            "ASAN_OPTIONS=verify_asan_link_order=0", "STUCK_FILE=" + file,
            fmt::format("STUCK_BYTE={}", byte)};
  }

  std::vector<std::string> NamesIn(const fs::path& folder) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path());
    return names;
  }

  fs::path folder_, model_;
};

// Flips a bit of the last tensor of a file; gives its name.
std::string FlipLastTensor(const fs::path& path) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  uint64_t length = 0;
  file.read(reinterpret_cast<char*>(&length), sizeof(length));
  std::string header(length, '\0');
  file.read(header.data(), static_cast<std::streamsize>(length));
  std::string last;
  int64_t end = 0;
  const Json tensors = Json::parse(header);
  for (const auto& [name, tensor] : tensors.items()) {
    if (name == "__metadata__" || tensor["data_offsets"][1].get<int64_t>() <= end) continue;
    end = tensor["data_offsets"][1].get<int64_t>();
    last = name;
  }
  file.seekg(-1, std::ios::end);
  const int byte = file.get();
  file.seekp(-1, std::ios::end);
  file.put(static_cast<char>(byte ^ 4));
  return last;
}

TEST_F(LoadingTest, VerifyNamesTheTensorOfAFlippedBit) {
  const std::string manifest = SWITCHYARD_BIN_DIR "/switchyard manifest --model " + model_.string();
  ASSERT_EQ(std::system((manifest + " 2>/dev/null").c_str()), 0);
  const std::vector<std::string> verify = {"--verify"};
  Cluster& whole = StartServing({.model_path = model_, .tensor_parallel = 2, .more_flags = verify});
  whole.Signal(SIGINT);
  EXPECT_EQ(whole.WaitForExit(), 0) << whole.Log();

  const std::string tensor = FlipLastTensor(model_ / kSecondFile);
  const std::string message = (model_ / kSecondFile).string() + ": tensor " + tensor + ", rows";
  Cluster& damaged = Start({.model_path = model_, .more_flags = verify});
  EXPECT_FALSE(damaged.WaitUntilServing());
  const std::optional<int> code = damaged.WaitForExit();
  ASSERT_TRUE(code.has_value());
  EXPECT_NE(*code, 0);
  EXPECT_NE(damaged.Log().find(message), std::string::npos) << message << "\n" << damaged.Log();
  EXPECT_TRUE(damaged.WaitUntilNothingIsLeft());
  // Who does not ask, is not told.
  StartServing({.model_path = model_});
}

TEST_F(LoadingTest, ADiskThatStopsToAnswerIsNamedWithRankFileAndByte) {
  Cluster& stuck = Start({.model_path = model_,
                          .tensor_parallel = 2,
                          .more_flags = {"--max-load-silence", "1", "--direct-io", "off"},
                          .launcher = StuckAt(kSecondFile, 2'000'000)});
  EXPECT_FALSE(stuck.WaitUntilServing());
  EXPECT_EQ(stuck.WaitForExit(), kExitLost) << stuck.Log();
  const std::string log = stuck.Log();
  EXPECT_NE(log.find("rank "), std::string::npos) << log;
  EXPECT_NE(log.find((model_ / kSecondFile).string() +
                     ": loading is stuck: for 1 s no byte has come of a read at byte "),
            std::string::npos)
      << log;
  EXPECT_TRUE(stuck.WaitUntilNothingIsLeft()) << stuck.Log();
}

TEST_F(LoadingTest, ADiskThatStopsToAnswerUnderThePackedCacheIsNamed) {
  const fs::path cache = folder_ / "cache";
  const std::vector<std::string> flags = {"--packed-cache", cache, "--max-load-silence", "1",
                                          "--direct-io",    "off"};
  Cluster& first = StartServing({.model_path = model_, .more_flags = flags});
  first.Signal(SIGINT);
  EXPECT_EQ(first.WaitForExit(), 0) << first.Log();
  Cluster& stuck =
      Start({.model_path = model_, .more_flags = flags, .launcher = StuckAt(".packed", 1)});
  EXPECT_FALSE(stuck.WaitUntilServing());
  EXPECT_EQ(stuck.WaitForExit(), kExitLost) << stuck.Log();
  const std::string log = stuck.Log();
  EXPECT_NE(log.find("rank 0"), std::string::npos) << log;
  EXPECT_NE(log.find(".packed: loading is stuck: for 1 s no byte has come of a read at byte "),
            std::string::npos)
      << log;
  EXPECT_TRUE(stuck.WaitUntilNothingIsLeft()) << log;
}

TEST_F(LoadingTest, ASecondStartTakesThePackedCacheAndAnswersAlike) {
  const fs::path cache = folder_ / "cache";
  // Of two ranks, which write at the same time.
  const ClusterOptions options{
      .model_path = model_, .tensor_parallel = 2, .more_flags = {"--packed-cache", cache}};
  Cluster& first = StartServing(options);
  EXPECT_EQ(CountOf(first.Log(), "packed cache: weights are kept in "), 2u) << first.Log();
  ExpectAnswersAndEnd(first);
  EXPECT_EQ(NamesIn(cache).size(), 2u);

  Cluster& second = StartServing(options);
  EXPECT_EQ(CountOf(second.Log(), "packed cache: weights come from "), 2u) << second.Log();
  const std::optional<v1::StatusResponse> status = second.Status();
  ASSERT_TRUE(status.has_value());
  ExpectAnswersAndEnd(second);

  // Another checkpoint of that name: the first one's weights would answer in its place.
  fs::last_write_time(model_ / kSecondFile, fs::file_time_type::clock::now());
  Cluster& third = StartServing(options);
  EXPECT_EQ(CountOf(third.Log(), "is of another start: it has \"file " + std::string(kSecondFile)),
            2u)
      << third.Log();
  EXPECT_EQ(CountOf(third.Log(), "packed cache: weights are kept in "), 2u) << third.Log();
  ExpectAnswersAndEnd(third);
  EXPECT_EQ(NamesIn(cache).size(), 2u);
}

TEST_F(LoadingTest, WhereThePackedCacheCannotBeWrittenItServesAllTheSame) {
  Cluster& cluster = StartServing(
      {.model_path = model_, .more_flags = {"--packed-cache", "/proc/switchyard/cache"}});
  EXPECT_EQ(CountOf(cluster.Log(), "packed cache: weights were not kept: "), 1u) << cluster.Log();
  ExpectAnswersAndEnd(cluster);
}

}  // namespace
}  // namespace switchyard::testing
