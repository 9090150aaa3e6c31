#include "worker/weights/shard_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <random>

#include "tests/worker/weights/checkpoint_files.h"

namespace switchyard::worker {
namespace {

using ::testing::HasSubstr;

int64_t BytesOf(const ReadBatch& batch) {
  int64_t sum = 0;
  for (const WantedRange& wanted : batch.ranges) sum += wanted.range.num_bytes();
  return sum;
}

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

// What came for range `i`.
std::string Came(const ReadBatch& batch, size_t i) {
  return std::string(reinterpret_cast<const char*>(batch.data(i)),
                     size_t(batch.ranges[i].range.num_bytes()));
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
  for (int round = 0; round < 120; ++round) {
    ReadBatch batch;
    for (int i = 0; i < 8; ++i) {
      const TensorInfo& tensor = checkpoint_.tensors()[random() % tensors.size()];
      TensorRange range = TensorRange::Whole(tensor);
      const auto shrink = [&](int64_t& begin, int64_t& end) {
        begin = int64_t(random() % (end + 1));
        end = begin + int64_t(random() % (end - begin + 1));
      };
      if (random() % 2) shrink(range.row_begin, range.row_end);
      if (random() % 2) shrink(range.col_begin, range.col_end);
      batch.ranges.push_back({.range = range, .shared = random() % 4 == 0});
    }
    ShardReader reader(&checkpoint_, {.num_threads = int(1 + random() % 4),
                                      .plan = {.direct = round % 2 == 1,
                                               .piece_bytes = int64_t(1 + random() % 300),
                                               .least_direct_bytes = 1}});
    ASSERT_TRUE(reader.Read(batch).ok());
    EXPECT_EQ(reader.bytes_read(), BytesOf(batch));
    for (size_t i = 0; i < batch.ranges.size(); ++i) {
      const auto written = std::ranges::find(tensors, batch.ranges[i].range.tensor->name,
                                             [](const TestTensor& t) { return t.spec.name; });
      EXPECT_EQ(Came(batch, i), Expected(batch.ranges[i].range, written->bytes))
          << written->spec.name;
    }
  }
}

// The rank `tp_rank` of 2: half of the heads' rows, half of the columns of o_proj, every second
// expert, all that is small.
ReadBatch TensorParallelHalf(const Checkpoint& checkpoint, int tp_rank) {
  ReadBatch batch;
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    const std::string_view name = tensor.name;
    const int64_t half = tensor.shape[0] / 2;
    if (name.find(".experts.") != name.npos) {
      const size_t digits = name.find(".experts.") + 9;
      if (std::stoi(std::string(name.substr(digits, 2))) % 2 == tp_rank) {
        batch.ranges.push_back({TensorRange::Whole(tensor)});
      }
    } else if (name.ends_with("q_b_proj.weight") || name.ends_with("embed_tokens.weight")) {
      batch.ranges.push_back({TensorRange::Rows(tensor, tp_rank * half, (tp_rank + 1) * half)});
    } else if (name.ends_with("o_proj.weight")) {
      const int64_t cols = tensor.shape[1] / 2;
      batch.ranges.push_back({TensorRange::Cols(tensor, tp_rank * cols, (tp_rank + 1) * cols)});
    } else {
      batch.ranges.push_back({TensorRange::Whole(tensor)});
    }
  }
  return batch;
}

// Of the kernel, of this process: "rchar:", what it has handed over; "read_bytes:", what it asked
// of disks for it.
int64_t AccountOfProcess(std::string_view wanted) {
  std::ifstream io("/proc/self/io");
  std::string field;
  int64_t value = -1;
  while (io >> field >> value && field != wanted) {
  }
  return value;
}

TEST(ShardReader, ARankReadsOnlyItsOwnBytes) {
  auto checkpoint = Checkpoint::Open(kTinyR1);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  for (int tp_rank = 0; tp_rank < 2; ++tp_rank) {
    ReadBatch batch = TensorParallelHalf(*checkpoint, tp_rank);
    ShardReader reader(&*checkpoint);
    const int64_t before = AccountOfProcess("rchar:");
    ASSERT_TRUE(reader.Read(batch).ok());
    const int64_t read = AccountOfProcess("rchar:") - before;
    EXPECT_EQ(reader.bytes_read(), BytesOf(batch));
    EXPECT_EQ(reader.counters().cached_bytes, BytesOf(batch));
    // Rows of which it has half the columns come whole.
    int64_t between = 0;
    for (const WantedRange& wanted : batch.ranges) {
      if (!wanted.range.whole_rows()) between += wanted.range.num_bytes();
    }
    // Reading the account is itself accounted: its text has some hundred bytes.
    EXPECT_GE(read, BytesOf(batch));
    EXPECT_LT(read, BytesOf(batch) + between + 512);
    EXPECT_LT(read, checkpoint->num_bytes() * 2 / 3);
    for (size_t i = 0; i < batch.ranges.size(); ++i) {
      const TensorRange& range = batch.ranges[i].range;
      ASSERT_EQ(Came(batch, i), Expected(range, TensorBytes(*checkpoint, range.tensor->name)));
    }
  }
}

TEST_F(ShardReaderTest, BytesBehindTheRangeAreNotNeeded) {
  Write({CountingTensor("t", FileDtype::kU8, {100, 10})});
  std::filesystem::resize_file(folder_ / "model.safetensors", tensor("t").offset + 500);
  ReadBatch first_half{.ranges = {{TensorRange::Rows(tensor("t"), 0, 50)}}};
  ReadBatch all{.ranges = {{TensorRange::Whole(tensor("t"))}}};
  ShardReader reader(&checkpoint_);
  EXPECT_TRUE(reader.Read(first_half).ok());
  const absl::Status status = reader.Read(all);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_THAT(std::string(Message(status)),
              HasSubstr(fmt::format("{}: ends at byte {}", folder_ / "model.safetensors",
                                    tensor("t").offset + 500)));
}

TEST_F(ShardReaderTest, FileGoneIsNamed) {
  Write({CountingTensor("t", FileDtype::kU8, {4})});
  std::filesystem::remove(folder_ / "model.safetensors");
  ReadBatch batch{.ranges = {{TensorRange::Whole(tensor("t"))}}};
  const absl::Status status = ShardReader(&checkpoint_).Read(batch);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(Message(status)), HasSubstr("model.safetensors"));
}

TEST_F(ShardReaderTest, ProgressGrowsToTheTotal) {
  Write({CountingTensor("t", FileDtype::kU8, {10'000, 1000})});
  ReadBatch batch{.ranges = {{TensorRange::Whole(tensor("t"))}}};
  int64_t last = 0;
  int num_calls = 0;
  ShardReader reader(&checkpoint_, {.num_threads = 3,
                                    .plan = {.piece_bytes = 64 * kKiB},
                                    .progress = [&](const ReadProgress& progress) {
                                      EXPECT_EQ(progress.bytes_total, 10'000'000);
                                      EXPECT_GT(progress.bytes_done, last);
                                      last = progress.bytes_done;
                                      ++num_calls;
                                    }});
  ASSERT_TRUE(reader.Read(batch).ok());
  EXPECT_EQ(last, 10'000'000);
  EXPECT_GE(num_calls, 2);
  EXPECT_LE(num_calls, 10);
}

TEST_F(ShardReaderTest, CancelStopsInTheMiddle) {
  Write({CountingTensor("t", FileDtype::kU8, {16, kMiB})});
  ReadBatch batch{.ranges = {{TensorRange::Whole(tensor("t"))}}};
  bool cancel = false;
  ShardReader reader(&checkpoint_, {.num_threads = 2,
                                    .plan = {.piece_bytes = kMiB},
                                    .progress = [&](const ReadProgress&) { cancel = true; },
                                    .cancelled = [&] { return cancel; }});
  EXPECT_EQ(reader.Read(batch).code(), absl::StatusCode::kCancelled);
  EXPECT_LT(reader.bytes_read(), 16 * kMiB);
}

TEST_F(ShardReaderTest, NothingToReadIsDone) {
  Write({CountingTensor("t", FileDtype::kU8, {4})});
  ShardReader reader(&checkpoint_);
  ReadBatch batch;
  EXPECT_TRUE(reader.Read(batch).ok());
  EXPECT_EQ(reader.bytes_read(), 0);
}

// Hands on to a real engine what a test lets through, and answers the rest itself. No time passes
// in it: where nothing will come, it says so at once.
class ScriptedEngine final : public ReadEngine {
 public:
  // Null: the real answer.
  using Script = std::function<std::optional<int64_t>(ReadOp& op, int number)>;
  explicit ScriptedEngine(Script script) : script_(std::move(script)) {}

  std::string_view name() const override { return "scripted"; }
  void Submit(const ReadOp& op) override {
    ReadOp asked = op;
    const std::optional<int64_t> answer = script_(asked, number_++);
    if (answer == kNever) return;
    if (answer.has_value()) {
      answers_.push_back({op.id, *answer});
    } else {
      real_->Submit(asked);
      ++under_way_;
    }
  }
  std::optional<ReadResult> Wait(std::chrono::milliseconds timeout) override {
    if (answers_.empty() && under_way_ == 0) return std::nullopt;
    if (answers_.empty()) {
      const std::optional<ReadResult> result = real_->Wait(timeout);
      if (result) --under_way_;
      return result;
    }
    const ReadResult result = answers_.front();
    answers_.pop_front();
    return result;
  }
  static constexpr int64_t kNever = -1'000'000;

 private:
  const Script script_;
  const std::unique_ptr<ReadEngine> real_ = MakeThreadEngine(2);
  std::deque<ReadResult> answers_;
  int number_ = 0;
  int under_way_ = 0;
};

class ShardReaderFaultTest : public ShardReaderTest {
 protected:
  static constexpr int64_t kRows = 200;

  void SetUp() override {
    Write({CountingTensor("t", FileDtype::kU8, {kRows, 1000}),
           CountingTensor("u", FileDtype::kU8, {100, 100}, 9)});
  }

  // All of `t` and some columns of `u`.
  absl::Status Read(ScriptedEngine::Script script, bool direct = false) {
    batch_ = {
        .ranges = {{TensorRange::Whole(tensor("t"))}, {TensorRange::Cols(tensor("u"), 7, 20)}}};
    ShardReader reader(&checkpoint_,
                       {.plan = {.direct = direct, .piece_bytes = 8192, .least_direct_bytes = 1},
                        .max_silence = std::chrono::milliseconds(20'000),
                        .make_engine = [&] { return std::make_unique<ScriptedEngine>(script); }});
    return reader.Read(batch_);
  }
  void ExpectAllCame() {
    for (size_t i = 0; i < batch_.ranges.size(); ++i) {
      const TensorRange& range = batch_.ranges[i].range;
      EXPECT_EQ(Came(batch_, i), Expected(range, TensorBytes(checkpoint_, range.tensor->name)));
    }
  }

  ReadBatch batch_;
};

TEST_F(ShardReaderFaultTest, ShortReadsAndSignalsCostNothing) {
  for (const bool direct : {false, true}) {
    std::mt19937 random(3);
    const absl::Status status = Read(
        [&](ReadOp& op, int) -> std::optional<int64_t> {
          if (random() % 3 == 0) return -EINTR;
          if (random() % 3 == 0) return -EAGAIN;
          if (op.direct) {
            op.run_bytes = std::max<int64_t>(4096, op.run_bytes / 8192 * 4096);
          } else if (random() % 2 == 0) {  // the thread engine stops behind a short run
            op.runs = 1;
            op.run_bytes = 1 + int64_t(random()) % op.run_bytes;
          }
          return std::nullopt;
        },
        direct);
    ASSERT_TRUE(status.ok()) << status;
    ExpectAllCame();
  }
}

TEST_F(ShardReaderFaultTest, AFileSystemThatTakesNoDirectReadsIsReadThroughTheCache) {
  int refused = 0;
  const absl::Status status = Read(
      [&](ReadOp& op, int) -> std::optional<int64_t> {
        if (!op.direct) return std::nullopt;
        ++refused;
        return -EINVAL;
      },
      true);
  ASSERT_TRUE(status.ok()) << status;
  ExpectAllCame();
}

TEST_F(ShardReaderFaultTest, AFailingDiskIsToldWithFileAndByte) {
  const absl::Status status = Read([&](ReadOp&, int number) -> std::optional<int64_t> {
    if (number == 2) return -EIO;
    return std::nullopt;
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(std::string(Message(status)),
              HasSubstr(fmt::format("{}: cannot read at byte {}: Input/output error",
                                    folder_ / "model.safetensors", tensor("t").offset + 2 * 8192)));
}

TEST_F(ShardReaderFaultTest, AReadThatNeverEndsIsToldWithFileAndByte) {
  const absl::Status status = Read([&](ReadOp&, int number) -> std::optional<int64_t> {
    if (number == 3) return ScriptedEngine::kNever;
    return std::nullopt;
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  EXPECT_THAT(std::string(Message(status)),
              HasSubstr(fmt::format("{}: loading is stuck: for 20 s no byte has come of a read at "
                                    "byte {};",
                                    folder_ / "model.safetensors", tensor("t").offset + 3 * 8192)));
}

TEST_F(ShardReaderFaultTest, AFileThatIsCutOrChangedMeanwhileIsTold) {
  const std::string path = folder_ / "model.safetensors";
  for (const bool direct : {false, true}) {
    const absl::Status cut = Read(
        [&](ReadOp&, int number) -> std::optional<int64_t> {
          if (number == 0) std::filesystem::resize_file(path, tensor("t").offset + 50'001);
          return std::nullopt;
        },
        direct);
    EXPECT_EQ(cut.code(), absl::StatusCode::kDataLoss) << cut;
    EXPECT_THAT(std::string(Message(cut)),
                HasSubstr(fmt::format("{}: ends at byte {}", path, tensor("t").offset + 50'001)));
    SetUp();
  }
  const absl::Status changed = Read([&](ReadOp&, int number) -> std::optional<int64_t> {
    if (number == 0) std::filesystem::last_write_time(path, std::filesystem::file_time_type::min());
    return std::nullopt;
  });
  EXPECT_EQ(changed.code(), absl::StatusCode::kDataLoss) << changed;
  EXPECT_THAT(std::string(Message(changed)), HasSubstr(path + ": was changed while it was read"));
}

TEST_F(ShardReaderTest, BatchesNeverHaveMoreMemoryThanThePool) {
  Write({CountingTensor("t", FileDtype::kU8, {64, 100'000})});
  std::vector<ReadBatch> batches(32);
  for (int i = 0; i < 32; ++i) {
    batches[i].ranges.push_back({TensorRange::Rows(tensor("t"), 2 * i, 2 * i + 2)});
  }
  StagingPool pool(3, 300'000);
  const std::string expected = TensorBytes(checkpoint_, "t");
  ShardReader reader(&checkpoint_, {.plan = {.piece_bytes = 10'000}});
  // Given back some batches later, by the reading thread itself: no more than two are held.
  std::deque<ReadBatch*> held;
  const absl::Status status = reader.Run(batches, pool, [&](ReadBatch& batch) {
    EXPECT_EQ(Came(batch, 0), expected.substr((&batch - batches.data()) * 200'000, 200'000));
    held.push_back(&batch);
    if (held.size() == 3) {
      held.front()->memory.reset();
      held.pop_front();
    }
    return absl::OkStatus();
  });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(reader.bytes_read(), 6'400'000);
  EXPECT_EQ(pool.high_water(), 900'000);
}

TEST_F(ShardReaderTest, WhatOneRankReadsGoesPastThePageCacheAndWhatManyReadThroughIt) {
  Write({CountingTensor("own", FileDtype::kU8, {1, 2'000'000}),
         CountingTensor("of_all", FileDtype::kU8, {1, 1'000'000}, 5)});
  ReadBatch batch{.ranges = {{TensorRange::Whole(tensor("own"))},
                             {.range = TensorRange::Whole(tensor("of_all")), .shared = true}}};
  DropFromCache(folder_ / "model.safetensors");  // direct reads are for what is not there
  ShardReader reader(&checkpoint_, {.plan = {.direct = true}});
  ASSERT_TRUE(reader.Read(batch).ok());
  EXPECT_EQ(Came(batch, 0), TensorBytes(checkpoint_, "own"));
  EXPECT_EQ(Came(batch, 1), TensorBytes(checkpoint_, "of_all"));
  if (reader.counters().direct_bytes == 0) GTEST_SKIP() << "a file system without direct reads";
  EXPECT_GE(reader.counters().direct_bytes, 2'000'000);
  EXPECT_LT(reader.counters().direct_bytes, 2'000'000 + 2 * kDirectBlock);
  EXPECT_EQ(reader.counters().cached_bytes, 1'000'000);
}

// Ranks of one host: what the first brings in, the second finds in the page cache, also where it
// wants other columns of the same rows.
TEST_F(ShardReaderTest, TheSecondRankAsksTheDiskForNothing) {
  const std::vector<TestTensor> tensors = {
      CountingTensor("near", FileDtype::kU8, {64, 64 * kKiB}, 3),
      CountingTensor("whole", FileDtype::kU8, {64, 64 * kKiB})};
  Write(tensors);
  DropFromCache(folder_ / "model.safetensors");
  std::vector<int64_t> from_disk;
  for (const int64_t column : {8 * kKiB, 40 * kKiB}) {
    ReadBatch batch{.ranges = {
                        {.range = TensorRange::Whole(tensor("whole")), .shared = true},
                        {TensorRange::Cols(tensor("near"), column, column + 16 * kKiB)},
                    }};
    const int64_t before = AccountOfProcess("read_bytes:");
    ShardReader reader(&checkpoint_, {.plan = {.direct = true}});
    ASSERT_TRUE(reader.Read(batch).ok());
    from_disk.push_back(AccountOfProcess("read_bytes:") - before);
    EXPECT_EQ(reader.counters().cached_bytes, 64 * (64 + 16) * kKiB);
    for (size_t i = 0; i < 2; ++i) {
      const TensorRange& range = batch.ranges[i].range;
      EXPECT_EQ(Came(batch, i), Expected(range, tensors[1 - i].bytes));
    }
  }
  EXPECT_LE(from_disk[1], 64 * kKiB)
      << "of " << from_disk[0] << ": the end of the last row at most";
}

using ShardReaderDeathTest = ShardReaderTest;

TEST_F(ShardReaderDeathTest, RangesOutsideTheTensorAreBugs) {
  Write({CountingTensor("t", FileDtype::kU8, {4, 4})});
  ReadBatch batch{.ranges = {{TensorRange::Rows(tensor("t"), 3, 5)}}};
  EXPECT_DEATH((void)ShardReader(&checkpoint_).Read(batch), "t rows 3..5");
}

}  // namespace
}  // namespace switchyard::worker
