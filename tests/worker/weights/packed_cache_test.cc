// Packed weights that come back from the disk: the same bytes as packed anew, and nothing that was
// damaged, half written or made for another start.
#include "worker/weights/packed_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <random>
#include <thread>

#include "kernels/backend.h"
#include "tests/worker/weights/checkpoint_files.h"
#include "worker/weights/weight_loader.h"

namespace switchyard::worker {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kRows = 600, kCols = 260;
constexpr int64_t kExpertRows = 48, kExpertCols = 64;

TestTensor Random(std::string name, FileDtype dtype, TensorShape shape, int seed) {
  TestTensor tensor = CountingTensor(std::move(name), dtype, std::move(shape));
  std::mt19937 random(static_cast<uint32_t>(seed));
  // No NaN in any of the types.
  for (char& byte : tensor.bytes) byte = static_cast<char>(random() % 0x70);
  return tensor;
}

std::vector<TestTensor> Tensors(int seed = 1) {
  return {Random("w", FileDtype::kBf16, {kRows, kCols}, seed),
          Random("up", FileDtype::kBf16, {kRows, kCols}, 2),
          Random("b", FileDtype::kBf16, {kRows}, 3),
          Random("f", FileDtype::kF8E4m3, {kRows, kCols}, 4),
          TensorOf<float>("f_scale_inv", FileDtype::kF32, {5, 3}, std::vector<float>(15, 0.5f)),
          Random("norm", FileDtype::kBf16, {kCols}, 6),
          Random("experts", FileDtype::kBf16, {2, kExpertRows, kExpertCols}, 7),
          Random("q.qweight", FileDtype::kI32, {64, 4}, 8),
          Random("q.qzeros", FileDtype::kI32, {2, 4}, 9),
          Random("q.scales", FileDtype::kF16, {2, 32}, 10)};
}

constexpr Int4Format kInt4{.layout = Int4Layout::kAwq, .group_columns = 32};

// What a load gave.
struct Loaded {
  std::vector<std::string> bytes;  // of each weight
  int64_t packed_bytes = 0;
  int64_t bytes_read = 0;
  bool restored = false;
  std::vector<std::string> notes;
  std::vector<std::string> warnings;
  std::vector<LoadStage> stages;
};

class PackedCacheTest : public ::testing::Test {
 protected:
  PackedCacheTest() {
    fs::create_directory(model_);
    WriteTensors(model_ + "/model.safetensors", Tensors());
  }

  Loaded Load(WeightLoader::Options options = {}) { return LoadWith(*ops_, std::move(options)); }
  Loaded LoadWith(kernels::Ops& ops, WeightLoader::Options options) {
    const auto checkpoint = Checkpoint::Open(model_);
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
    Loaded loaded;
    options.packed_cache = {.folder = cache_, .rank = rank_};
    options.progress = [&](LoadStage stage, int64_t, int64_t) {
      if (loaded.stages.empty() || loaded.stages.back() != stage) loaded.stages.push_back(stage);
    };
    options.note = [&](const LoadNote& note) {
      (note.warning ? loaded.warnings : loaded.notes).push_back(note.text);
    };
    if (!options.int4.has_value()) options.int4 = kInt4;
    WeightLoader loader(*checkpoint, ops, options);
    std::unique_ptr<kernels::PackedLinear> plain, scaled, gate_up, whole, derived, biased, expert,
        int4;
    DeviceTensor norm, table;
    MatrixSlice w{.tensor = "w", .rows = kRows, .cols = kCols};
    loader.GateUp(w, {.tensor = "up", .rows = kRows, .cols = kCols}, &gate_up);
    loader.Table(w, &table);
    const MatrixSlice f{.tensor = "f", .rows = kRows, .cols = kCols, .row_begin = 100};
    loader.Linear(f, &scaled);
    loader.Derive(
        f,
        {{.name = "derived",
          .rows = 2,
          .cols = kCols,
          .make = [](const float* from, float* weight) { std::copy_n(from, 2 * kCols, weight); },
          .take = [&](auto packed) { derived = std::move(packed); }}},
        &whole);
    w.bias = "b";
    loader.Linear(w, &plain);
    loader.Vector("norm", kCols, &norm, 1);
    w.fine = true;
    MatrixSlice up = w;
    up.tensor = "up";
    loader.GateUp(w, up, &biased);
    LoadExpert(loader, &expert);
    const bool has_int4 = options.form != kernels::WeightForm::kInt8;  // else refused by the plan
    if (has_int4) loader.Linear({.tensor = "q.weight", .rows = 32, .cols = 64}, &int4);
    const absl::Status status = loader.Run();
    EXPECT_TRUE(status.ok()) << status;
    if (!status.ok()) return loaded;
    for (const kernels::Buffer* memory : std::initializer_list<const kernels::Buffer*>{
             &plain->memory(), &scaled->memory(), &gate_up->memory(), &whole->memory(),
             &derived->memory(), &norm.memory, &table.memory, &biased->memory(), &expert->memory(),
             has_int4 ? &int4->memory() : &norm.memory}) {
      loaded.bytes.emplace_back(static_cast<const char*>(memory->data()),
                                static_cast<size_t>(memory->num_bytes()));
    }
    EXPECT_EQ(table.view.dtype, kernels::DType::kBf16);
    EXPECT_EQ(table.view.data, table.memory.data());
    // The weight works: its bias is where it should be.
    loaded.bytes.push_back(Product(ops, *plain));
    loaded.packed_bytes = loader.packed_bytes();
    loaded.bytes_read = loader.bytes_read();
    loaded.restored = loader.restored();
    return loaded;
  }

  static void LoadExpert(WeightLoader& loader, std::unique_ptr<kernels::PackedLinear>* out) {
    static constexpr FileDtype kTypes[] = {FileDtype::kBf16};
    const StoredTensor tensor{"experts", {2, kExpertRows, kExpertCols}, kTypes};
    const kernels::PackedForm form{
        .source = {.name = "expert",
                   .weight = kernels::TensorView(nullptr, kernels::DType::kF32,
                                                 {kExpertRows, kExpertCols}),
                   .compute = loader.compute()}};
    const auto pack = [&loader, form](std::span<const StoredEntry> entries)
        -> absl::StatusOr<std::unique_ptr<kernels::PackedLinear>> {
      std::vector<kernels::Bf16> values(kExpertRows * kExpertCols);
      memcpy(values.data(), entries[0].data, values.size() * sizeof(kernels::Bf16));
      kernels::LinearSource source = form.source;
      source.weight =
          kernels::TensorView(values.data(), kernels::DType::kBf16, {kExpertRows, kExpertCols});
      return loader.ops().Pack(source);
    };
    loader.Stored({&tensor, 1}, 1, {.form = form, .pack = pack, .out = out});
  }

  static std::string Product(kernels::Ops& ops, const kernels::PackedLinear& weight) {
    const std::vector<float> x(kCols, 0.25f);
    std::string y(kRows * sizeof(float), '\0');
    ops.Linear({.x = kernels::TensorView(x.data(), kernels::DType::kF32, {1, kCols}),
                .weight = &weight,
                .y = kernels::TensorView(y.data(), kernels::DType::kF32, {1, kRows})});
    return y;
  }

  std::vector<std::string> FilesOf(const std::string& folder) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path());
    std::ranges::sort(names);
    return names;
  }
  std::string Only() {
    const std::vector<std::string> files = FilesOf(cache_);
    EXPECT_EQ(files.size(), 1u);
    return files.empty() ? "" : files[0];
  }
  void Flip(const std::string& path, int64_t at) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(at);
    const int byte = file.get();
    file.seekp(at);
    file.put(static_cast<char>(byte ^ 0x20));
  }

  // The file is not used, a note says why, and the next start has a good one again.
  void ExpectReplaced(const char* why) {
    const Loaded first = Load();
    EXPECT_FALSE(first.restored);
    std::vector<std::string> said = first.notes;
    said.insert(said.end(), first.warnings.begin(), first.warnings.end());
    EXPECT_THAT(said, Contains(HasSubstr(why)));
    EXPECT_TRUE(Load().restored);
    EXPECT_EQ(FilesOf(cache_).size(), 1u);
  }

  TempFolder folder_;
  const std::string model_ = folder_ / "model";
  std::string cache_ = folder_ / "cache/of/ranks";
  std::string rank_ = "dp1-tp1-rank0";
  std::unique_ptr<kernels::Ops> ops_ = *kernels::MakeCpuBackend({.num_threads = 2});
};

TEST_F(PackedCacheTest, ASecondStartHasTheSameBytesAndReadsNoCheckpoint) {
  const Loaded first = Load();
  EXPECT_FALSE(first.restored);
  EXPECT_THAT(first.stages, ElementsAre(LoadStage::kReading, LoadStage::kKeeping));
  EXPECT_THAT(first.warnings, ElementsAre());
  EXPECT_THAT(Only(),
              AllOf(HasSubstr("/model.cpu-"), HasSubstr(".bf16-stored.dp1-tp1-rank0.packed")));
  const Loaded second = Load();
  EXPECT_TRUE(second.restored);
  EXPECT_THAT(second.stages, ElementsAre(LoadStage::kRestoring));
  EXPECT_THAT(second.notes, ElementsAre(HasSubstr("weights come from " + Only())));
  EXPECT_TRUE(second.bytes == first.bytes);
  EXPECT_EQ(second.packed_bytes, first.packed_bytes);
}

TEST_F(PackedCacheTest, MappedAndReadPartsAreTheSame) {
  constexpr int64_t kLarge = 70 * kMiB + 1;
  const auto checkpoint = Checkpoint::Open(model_);
  ASSERT_TRUE(checkpoint.ok());
  const std::vector<std::string> forms = {"a", "b", "c", "d"};
  const auto cache = PackedCache::Create({.folder = cache_, .rank = "r"}, *checkpoint,
                                         {.packed_form = "p",
                                          .compute = "c",
                                          .weights = "w",
                                          .int4 = "none",
                                          .forms = forms,
                                          .manifest = 7});
  ASSERT_TRUE(cache.ok()) << cache.status();
  std::vector<kernels::Buffer> weights;
  std::vector<const kernels::Buffer*> pointers;
  for (const int64_t bytes : {int64_t{3}, kLarge, int64_t{0}, 9 * kMiB}) {
    weights.push_back(ops_->device().Allocate(bytes));
    std::mt19937_64 random(static_cast<uint64_t>(bytes));
    auto* const words = static_cast<char*>(weights.back().data());
    for (int64_t i = 0; i < bytes; ++i) words[i] = static_cast<char>(random());
  }
  for (const kernels::Buffer& weight : weights) pointers.push_back(&weight);
  int64_t done = 0;
  const absl::Status kept = cache->Keep(ops_->device(), pointers, [&](int64_t bytes, int64_t) {
    done = bytes;
    return absl::OkStatus();
  });
  ASSERT_TRUE(kept.ok()) << kept;
  EXPECT_EQ(done, kLarge + 9 * kMiB + 3);
  for (const bool in_place : {true, false}) {
    for (const bool direct : {false, true}) {
      PipelineFigures figures;
      PackedCache::RestoreOptions options{.in_place = in_place};
      options.reader.plan.direct = direct;
      const auto parts = cache->Restore(ops_->device(), options, &figures);
      ASSERT_TRUE(parts.ok()) << parts.status();
      ASSERT_EQ(parts->size(), weights.size());
      for (size_t i = 0; i < weights.size(); ++i) {
        ASSERT_EQ((*parts)[i].num_bytes(), weights[i].num_bytes());
        EXPECT_EQ(reinterpret_cast<uintptr_t>((*parts)[i].data()) % 64, 0u);
        EXPECT_EQ(memcmp((*parts)[i].data(), weights[i].data(),
                         static_cast<size_t>(weights[i].num_bytes())),
                  0)
            << i << in_place << direct;
      }
    }
  }
  Flip(cache->path(), 40 * kMiB);
  for (const bool in_place : {true, false}) {
    PipelineFigures figures;
    const auto parts = cache->Restore(ops_->device(), {.in_place = in_place}, &figures);
    EXPECT_TRUE(absl::IsDataLoss(parts.status())) << in_place << parts.status();
  }
}

TEST_F(PackedCacheTest, EveryFlippedByteOfTheHeaderIsFoundOut) {
  Load();
  const std::string path = Only();
  const auto file = PosixFile::OpenForRead(path);
  ASSERT_TRUE(file.ok());
  const auto header = ReadPackedHeader(*file);
  ASSERT_TRUE(header.ok()) << header.status();
  std::vector<std::byte> bytes(static_cast<size_t>(header->header_bytes()));
  ASSERT_TRUE(file->ReadAt(0, bytes).ok());
  ASSERT_TRUE(ParsePackedHeader(bytes, file->num_bytes()).ok());
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] ^= std::byte{0x10};
    EXPECT_FALSE(ParsePackedHeader(bytes, file->num_bytes()).ok()) << i;
    bytes[i] ^= std::byte{0x10};
  }
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(ParsePackedHeader(std::span(bytes).first(size), file->num_bytes()).ok()) << size;
  }
  Flip(path, 100);
  ExpectReplaced("its header is broken: its digest is another one");
}

TEST_F(PackedCacheTest, ACutFileIsReplaced) {
  Load();
  fs::resize_file(Only(), fs::file_size(Only()) - 1);
  ExpectReplaced("bytes, its header says");
  fs::resize_file(Only(), 20);
  ExpectReplaced("it holds no packed weights");
}

TEST_F(PackedCacheTest, AnotherCheckpointOfTheNameIsNotMistaken) {
  Load();
  fs::remove_all(model_);
  fs::create_directory(model_);
  WriteTensors(model_ + "/model.safetensors", Tensors(/*seed=*/9));
  const Loaded other = Load();
  EXPECT_FALSE(other.restored);
  EXPECT_THAT(other.notes, Contains(AllOf(HasSubstr("is of another start: it has \"file model."),
                                          HasSubstr("wanted is"))));
  const Loaded again = Load();
  EXPECT_TRUE(again.restored);
  EXPECT_TRUE(again.bytes == other.bytes);
  EXPECT_EQ(FilesOf(cache_).size(), 1u);
}

TEST_F(PackedCacheTest, RanksAndModesHaveFilesOfTheirOwn) {
  Load();
  rank_ = "dp2-tp1-rank1";
  EXPECT_FALSE(Load().restored);
  EXPECT_FALSE(Load({.compute = kernels::Compute::kF32}).restored);
  EXPECT_EQ(FilesOf(cache_).size(), 3u);
  EXPECT_TRUE(Load({.compute = kernels::Compute::kF32}).restored);
  ops_ = *kernels::MakeCpuBackend({.isa = "portable"});
  EXPECT_FALSE(Load().restored);
  EXPECT_EQ(FilesOf(cache_).size(), 4u);
}

TEST_F(PackedCacheTest, QuantisedWeightsHaveFilesOfTheirOwnAndComeBack) {
  const Loaded stored = Load();
  for (const kernels::WeightForm form : {kernels::WeightForm::kInt8, kernels::WeightForm::kInt4}) {
    const Loaded first = Load({.form = form});
    EXPECT_FALSE(first.restored);
    EXPECT_FALSE(first.bytes == stored.bytes);
    const Loaded second = Load({.form = form});
    EXPECT_TRUE(second.restored);
    EXPECT_TRUE(second.bytes == first.bytes);
  }
  EXPECT_EQ(FilesOf(cache_).size(), 3u);
  const Loaded again = Load();
  EXPECT_TRUE(again.restored);
  EXPECT_TRUE(again.bytes == stored.bytes);
}

// Of config.json: it decides what the same bytes of a checkpoint mean.
TEST_F(PackedCacheTest, AnotherMeaningOf4BitWeightsIsNotMistaken) {
  const Loaded first = Load();
  Int4Format less_one = kInt4;
  less_one.zeros_less_one = true;
  const Loaded second = Load({.int4 = less_one});
  EXPECT_FALSE(second.restored);
  EXPECT_FALSE(second.bytes == first.bytes);
  EXPECT_THAT(second.notes, Contains(HasSubstr("it has \"4-bit weights AWQ, groups of 32\"")));
}

TEST_F(PackedCacheTest, AnotherProgramsOrLayoutsFileIsNotMistaken) {
  Load();
  const std::string mine = Only();
  const auto take_name = [&](const std::string& other) {
    fs::rename(other, mine);
    ExpectReplaced("is of another start");
  };
  rank_ = "dp2-tp1-rank0";
  Load();
  const std::string layout = FilesOf(cache_)[1];
  rank_ = "dp1-tp1-rank0";
  ASSERT_NE(layout, mine);
  take_name(layout);
  Load({.form = kernels::WeightForm::kInt4});
  const std::string quantised =
      FilesOf(cache_)[0] == mine ? FilesOf(cache_)[1] : FilesOf(cache_)[0];
  take_name(quantised);
  const std::unique_ptr<kernels::Ops> portable = *kernels::MakeCpuBackend({.isa = "portable"});
  LoadWith(*portable, {});
  const std::string isa = FilesOf(cache_)[0] == mine ? FilesOf(cache_)[1] : FilesOf(cache_)[0];
  take_name(isa);
}

TEST_F(PackedCacheTest, OfTwoStartsAtOnceBothServeAndAGoodFileStays) {
  const Loaded plain = Load();
  for (int round = 0; round < 8; ++round) {
    fs::remove(Only());
    const std::unique_ptr<kernels::Ops> ops = *kernels::MakeCpuBackend({.num_threads = 1});
    Loaded other;
    std::thread thread([&] { other = LoadWith(*ops, {}); });
    const Loaded mine = Load();
    thread.join();
    EXPECT_TRUE(mine.bytes == plain.bytes);
    EXPECT_TRUE(other.bytes == plain.bytes);
    const Loaded after = Load();
    EXPECT_TRUE(after.restored);
    EXPECT_TRUE(after.bytes == plain.bytes);
  }
}

TEST_F(PackedCacheTest, VerifyTakesOnlyWhatWasVerifiedAndIsWhole) {
  const auto checkpoint = Checkpoint::Open(model_);
  ASSERT_TRUE(checkpoint.ok());
  const auto manifest = Manifest::Compute(*checkpoint, {});
  ASSERT_TRUE(manifest.ok());
  const Loaded plain = Load();
  const Loaded first = Load({.manifest = &*manifest});
  EXPECT_FALSE(first.restored);
  EXPECT_THAT(first.notes, Contains(HasSubstr("were not held against the checkpoint's manifest")));
  const Loaded second = Load({.manifest = &*manifest});
  EXPECT_TRUE(second.restored);
  EXPECT_TRUE(second.bytes == plain.bytes);
  EXPECT_TRUE(Load().restored) << "verified is good enough for who asks for nothing";
  Flip(Only(), static_cast<int64_t>(fs::file_size(Only())) - 300);
  const Loaded damaged = Load({.manifest = &*manifest});
  EXPECT_FALSE(damaged.restored);
  EXPECT_THAT(damaged.warnings, Contains(HasSubstr("on are not what was written")));
  EXPECT_TRUE(damaged.bytes == plain.bytes);
  EXPECT_TRUE(Load({.manifest = &*manifest}).restored);
}

TEST_F(PackedCacheTest, WhatAKilledWriterLeftIsNeverUsedAndIsWrittenOver) {
  const Loaded plain = Load();
  const std::string path = Only();
  fs::remove(path);
  const pid_t child = fork();
  if (child == 0) {
    auto writer = PackedFileWriter::Create(path, {.key = "k", .part_bytes = {64 * kMiB}});
    if (!writer.ok()) _exit(1);
    (void)writer->AddPart([](int64_t begin, std::byte*, int64_t) {
      if (begin > 20 * kMiB) kill(getpid(), SIGKILL);
    });
    _exit(2);
  }
  int ended = 0;
  ASSERT_EQ(waitpid(child, &ended, 0), child);
  ASSERT_TRUE(WIFSIGNALED(ended) && WTERMSIG(ended) == SIGKILL) << ended;
  EXPECT_THAT(FilesOf(cache_), ElementsAre(path + ".partial"));
  const Loaded after = Load();
  EXPECT_FALSE(after.restored);
  EXPECT_TRUE(after.bytes == plain.bytes);
  EXPECT_THAT(FilesOf(cache_), ElementsAre(path));
  EXPECT_TRUE(Load().restored);
}

TEST_F(PackedCacheTest, OfTwoWritersTheSecondLeavesItToTheFirst) {
  Load();
  const std::string path = Only();
  fs::remove(path);
  {
    const auto other = PackedFileWriter::Create(path, {.key = "k", .part_bytes = {10}});
    ASSERT_TRUE(other.ok()) << other.status();
    const Loaded loaded = Load();
    EXPECT_FALSE(loaded.restored);
    EXPECT_THAT(loaded.warnings, ElementsAre(HasSubstr("another process writes it")));
    EXPECT_THAT(FilesOf(cache_), ElementsAre(path + ".partial"));
  }
  EXPECT_THAT(FilesOf(cache_), ElementsAre()) << "a writer without Finish leaves nothing";
  Load();
  EXPECT_TRUE(Load().restored);
}

// A writer that waited for the lock must not write to the file that meanwhile has its name.
TEST_F(PackedCacheTest, ALockOfAFileThatHasItsNameIsNotTaken) {
  const std::string partial = folder_ / "x.partial", path = folder_ / "x";
  WriteText(partial, "whole");
  const int fd = open(partial.c_str(), O_WRONLY);
  ASSERT_EQ(flock(fd, LOCK_EX), 0);
  EXPECT_TRUE(absl::IsUnavailable(PosixFile::CreateLocked(partial).status()));
  fs::rename(partial, path);
  close(fd);
  EXPECT_TRUE(PosixFile::CreateLocked(partial).ok());
  EXPECT_EQ(fs::file_size(path), 5u);
}

TEST_F(PackedCacheTest, AFullDiskIsAWarning) {
  struct rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit little { .rlim_cur = 100'000, .rlim_max = before.rlim_max };
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &little), 0);
  const Loaded full = Load();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, ignored);
  EXPECT_FALSE(full.restored);
  EXPECT_THAT(full.warnings,
              ElementsAre(AllOf(HasSubstr("weights were not kept"), HasSubstr("File too large"))));
  EXPECT_THAT(FilesOf(cache_), ElementsAre()) << "no half file stays";
  EXPECT_TRUE(full.bytes == Load().bytes);
  EXPECT_TRUE(Load().restored);
}

TEST_F(PackedCacheTest, AFolderThatCannotBeWrittenIsAWarning) {
  cache_ = "/proc/switchyard";
  const Loaded loaded = Load();
  EXPECT_FALSE(loaded.restored);
  EXPECT_FALSE(loaded.bytes.empty());
  EXPECT_THAT(loaded.warnings, ElementsAre(AllOf(HasSubstr("weights were not kept"),
                                                 HasSubstr("/proc/switchyard"))));
  cache_ = folder_ / "file";
  WriteText(cache_, "no folder");
  EXPECT_THAT(Load().warnings, Contains(HasSubstr("weights were not kept")));
}

TEST_F(PackedCacheTest, AFolderThatCanOnlyBeReadServes) {
  const Loaded first = Load();
  const std::string path = Only();
  fs::permissions(path, fs::perms::owner_read);
  fs::permissions(cache_, fs::perms::owner_read | fs::perms::owner_exec);
  const Loaded second = Load();
  fs::permissions(cache_, fs::perms::owner_all);
  EXPECT_TRUE(second.restored);
  EXPECT_TRUE(second.bytes == first.bytes);
}

TEST_F(PackedCacheTest, CancelWhileItIsWrittenEndsTheLoadAndLeavesNothing) {
  const auto checkpoint = Checkpoint::Open(model_);
  ASSERT_TRUE(checkpoint.ok());
  std::atomic<bool> cancel = false;
  WeightLoader loader(*checkpoint, *ops_,
                      {.packed_cache = {.folder = cache_, .rank = rank_},
                       .progress =
                           [&](LoadStage stage, int64_t, int64_t) {
                             if (stage == LoadStage::kKeeping) cancel = true;
                           },
                       .cancel = &cancel});
  std::unique_ptr<kernels::PackedLinear> packed;
  loader.Linear({.tensor = "w", .rows = kRows, .cols = kCols}, &packed);
  EXPECT_TRUE(absl::IsCancelled(loader.Run()));
  EXPECT_THAT(FilesOf(cache_), ElementsAre());
}

}  // namespace
}  // namespace switchyard::worker
