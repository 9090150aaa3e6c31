// Packed weights that come back from the disk: the same bytes as packed anew, and nothing that was
// damaged or half written.
#include "worker/weights/packed_cache.h"

#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "tests/worker/weights/packed_cache_fixture.h"

namespace switchyard::worker {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

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
                                          .manifest = {}});
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

TEST_F(PackedCacheTest, AFlippedBitOfTheBodyIsFoundOutByEveryStart) {
  const Loaded plain = Load();
  const auto file = PosixFile::OpenForRead(Only());
  ASSERT_TRUE(file.ok());
  const auto header = ReadPackedHeader(*file);
  ASSERT_TRUE(header.ok()) << header.status();
  for (const int64_t at : {header->body_begin(), header->file_bytes() - 300}) {
    Flip(Only(), at);
    const Loaded damaged = Load();
    EXPECT_FALSE(damaged.restored) << at;
    EXPECT_THAT(damaged.warnings, Contains(HasSubstr("on are not what was written")));
    EXPECT_TRUE(damaged.bytes == plain.bytes);
    EXPECT_TRUE(Load().restored) << "written anew";
  }
}

TEST_F(PackedCacheTest, VerifyTakesOnlyWhatWasVerified) {
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
