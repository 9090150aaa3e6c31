#include "worker/weights/shard_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/worker/weights/checkpoint_files.h"

namespace switchyard::worker {
namespace {

using ::testing::HasSubstr;

// Requests with memory of their own.
class Requests {
 public:
  void Add(const TensorRange& range) {
    memory_.push_back(std::vector<std::byte>(range.num_bytes()));
    requests_.push_back({range, memory_.back()});
  }
  std::span<const ReadRequest> all() const { return requests_; }
  int64_t num_bytes() const {
    int64_t sum = 0;
    for (const ReadRequest& request : requests_) sum += request.range.num_bytes();
    return sum;
  }

 private:
  std::vector<std::vector<std::byte>> memory_;  // moving a vector leaves its bytes in place
  std::vector<ReadRequest> requests_;
};

// The obvious answer to one request, from all bytes of its tensor.
std::string Expected(const TensorRange& range, const std::string& tensor_bytes) {
  const TensorInfo& tensor = *range.tensor;
  const int64_t rows = tensor.shape.empty() ? 1 : tensor.shape[0];
  const int64_t row_bytes = rows == 0 ? 0 : int64_t(tensor_bytes.size()) / rows;
  const int64_t size = FileDtypeBytes(tensor.dtype);
  std::string bytes;
  for (int64_t row = range.row_begin; row < range.row_end; ++row) {
    bytes += tensor_bytes.substr(row * row_bytes + range.col_begin * size, range.num_cols() * size);
  }
  return bytes;
}

std::string Text(std::span<const std::byte> bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

class ShardReaderTest : public ::testing::Test {
 protected:
  void Write(const std::vector<TestTensor>& tensors) {
    WriteTensors(folder_ / "model.safetensors", tensors);
    auto checkpoint = Checkpoint::Open(folder_.path());
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    checkpoint_ = *std::move(checkpoint);
  }
  const TensorInfo& tensor(std::string_view name) const { return *checkpoint_.Find(name); }

  TempFolder folder_;
  Checkpoint checkpoint_;
};

TEST_F(ShardReaderTest, RandomRangesComeRightWhateverTheChunkAndThreads) {
  std::mt19937 random(7);
  std::vector<TestTensor> tensors = {CountingTensor("vector", FileDtype::kF32, {33}, 1),
                                     CountingTensor("scalar", FileDtype::kF32, {}, 2),
                                     CountingTensor("matrix", FileDtype::kBf16, {37, 53}, 3),
                                     CountingTensor("cube", FileDtype::kU8, {5, 6, 7}, 4),
                                     CountingTensor("empty", FileDtype::kU8, {0, 7}, 5)};
  Write(tensors);
  for (int round = 0; round < 60; ++round) {
    Requests requests;
    for (int i = 0; i < 8; ++i) {
      const TensorInfo& tensor = checkpoint_.tensors()[random() % tensors.size()];
      TensorRange range = TensorRange::Whole(tensor);
      const auto shrink = [&](int64_t& begin, int64_t& end) {
        begin = int64_t(random() % (end + 1));
        end = begin + int64_t(random() % (end - begin + 1));
      };
      if (random() % 2) shrink(range.row_begin, range.row_end);
      if (random() % 2) shrink(range.col_begin, range.col_end);
      requests.Add(range);
    }
    ShardReader reader(&checkpoint_, {.num_threads = int(1 + random() % 4),
                                      .chunk_bytes = int64_t(1 + random() % 300)});
    ASSERT_TRUE(reader.Read(requests.all()).ok());
    EXPECT_EQ(reader.bytes_read(), requests.num_bytes());
    for (const ReadRequest& request : requests.all()) {
      const auto written = std::ranges::find(tensors, request.range.tensor->name,
                                             [](const TestTensor& t) { return t.spec.name; });
      EXPECT_EQ(Text(request.out), Expected(request.range, written->bytes)) << written->spec.name;
    }
  }
}

// The rank `tp_rank` of 2: half of the heads' rows, half of the columns of o_proj, every second
// expert, all that is small.
Requests TensorParallelHalf(const Checkpoint& checkpoint, int tp_rank) {
  Requests requests;
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    const std::string_view name = tensor.name;
    const int64_t half = tensor.shape[0] / 2;
    if (name.find(".experts.") != name.npos) {
      const size_t digits = name.find(".experts.") + 9;
      if (std::stoi(std::string(name.substr(digits, 2))) % 2 == tp_rank) {
        requests.Add(TensorRange::Whole(tensor));
      }
    } else if (name.ends_with("q_b_proj.weight") || name.ends_with("embed_tokens.weight")) {
      requests.Add(TensorRange::Rows(tensor, tp_rank * half, (tp_rank + 1) * half));
    } else if (name.ends_with("o_proj.weight")) {
      const int64_t cols = tensor.shape[1] / 2;
      requests.Add(TensorRange::Cols(tensor, tp_rank * cols, (tp_rank + 1) * cols));
    } else {
      requests.Add(TensorRange::Whole(tensor));
    }
  }
  return requests;
}

// What the kernel has handed to this process, by its own account.
int64_t BytesReadByProcess() {
  std::ifstream io("/proc/self/io");
  std::string field;
  int64_t value = -1;
  while (io >> field >> value && field != "rchar:") {
  }
  return value;
}

TEST(ShardReader, ARankReadsOnlyItsOwnBytes) {
  auto checkpoint = Checkpoint::Open(kTinyR1);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  for (int tp_rank = 0; tp_rank < 2; ++tp_rank) {
    const Requests requests = TensorParallelHalf(*checkpoint, tp_rank);
    ShardReader reader(&*checkpoint);
    const int64_t before = BytesReadByProcess();
    ASSERT_TRUE(reader.Read(requests.all()).ok());
    const int64_t read = BytesReadByProcess() - before;
    EXPECT_EQ(reader.bytes_read(), requests.num_bytes());
    // Reading the account is itself accounted: its text has some hundred bytes.
    EXPECT_GE(read, requests.num_bytes());
    EXPECT_LT(read, requests.num_bytes() + 512);
    EXPECT_LT(read, checkpoint->num_bytes() * 2 / 3);
    for (const ReadRequest& request : requests.all()) {
      ASSERT_EQ(Text(request.out),
                Expected(request.range, TensorBytes(*checkpoint, request.range.tensor->name)));
    }
  }
}

TEST_F(ShardReaderTest, BytesBehindTheRangeAreNotNeeded) {
  Write({CountingTensor("t", FileDtype::kU8, {100, 10})});
  std::filesystem::resize_file(folder_ / "model.safetensors", tensor("t").offset + 500);
  Requests first_half, all;
  first_half.Add(TensorRange::Rows(tensor("t"), 0, 50));
  all.Add(TensorRange::Whole(tensor("t")));
  ShardReader reader(&checkpoint_);
  EXPECT_TRUE(reader.Read(first_half.all()).ok());
  const absl::Status status = reader.Read(all.all());
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_THAT(std::string(Message(status)),
              HasSubstr(fmt::format("{}: ends at byte {}", folder_ / "model.safetensors",
                                    tensor("t").offset + 500)));
}

TEST_F(ShardReaderTest, FileGoneIsNamed) {
  Write({CountingTensor("t", FileDtype::kU8, {4})});
  std::filesystem::remove(folder_ / "model.safetensors");
  Requests requests;
  requests.Add(TensorRange::Whole(tensor("t")));
  const absl::Status status = ShardReader(&checkpoint_).Read(requests.all());
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(Message(status)), HasSubstr("model.safetensors"));
}

TEST_F(ShardReaderTest, ProgressGrowsToTheTotal) {
  Write({CountingTensor("t", FileDtype::kU8, {10'000, 1000})});
  Requests requests;
  requests.Add(TensorRange::Whole(tensor("t")));
  int64_t last = 0;
  int num_calls = 0;
  ShardReader reader(
      &checkpoint_,
      {.num_threads = 3, .chunk_bytes = 64 * kKiB, .progress = [&](int64_t done, int64_t total) {
         EXPECT_EQ(total, 10'000'000);
         EXPECT_GT(done, last);
         last = done;
         ++num_calls;
       }});
  ASSERT_TRUE(reader.Read(requests.all()).ok());
  EXPECT_EQ(last, 10'000'000);
  EXPECT_GE(num_calls, 2);
  EXPECT_LE(num_calls, 10);
}

TEST_F(ShardReaderTest, CancelStopsInTheMiddle) {
  Write({CountingTensor("t", FileDtype::kU8, {16, kMiB})});
  Requests requests;
  requests.Add(TensorRange::Whole(tensor("t")));
  std::atomic<bool> cancel = false;
  ShardReader reader(&checkpoint_, {.num_threads = 2,
                                    .chunk_bytes = kMiB,
                                    .progress = [&](int64_t, int64_t) { cancel = true; },
                                    .cancel = &cancel});
  EXPECT_EQ(reader.Read(requests.all()).code(), absl::StatusCode::kCancelled);
  EXPECT_LT(reader.bytes_read(), 16 * kMiB);
}

TEST_F(ShardReaderTest, NothingToReadIsDone) {
  Write({CountingTensor("t", FileDtype::kU8, {4})});
  ShardReader reader(&checkpoint_);
  EXPECT_TRUE(reader.Read({}).ok());
  EXPECT_EQ(reader.bytes_read(), 0);
}

using ShardReaderDeathTest = ShardReaderTest;

TEST_F(ShardReaderDeathTest, RangesOutsideTheTensorAreBugs) {
  Write({CountingTensor("t", FileDtype::kU8, {4, 4})});
  Requests requests;
  requests.Add(TensorRange::Rows(tensor("t"), 3, 5));
  EXPECT_DEATH((void)ShardReader(&checkpoint_).Read(requests.all()), "t rows 3..5");
}

}  // namespace
}  // namespace switchyard::worker
