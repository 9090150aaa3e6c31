// Packed weights of another checkpoint, rank, program or mode: never taken for those that are
// wanted.
#include "tests/base/gguf_writer.h"
#include "tests/worker/weights/packed_cache_fixture.h"

namespace switchyard::worker {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

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

// As where an image gives all files one time, or a copy keeps theirs.
TEST_F(PackedCacheTest, AnotherCheckpointOfTheSameTimesIsNotMistaken) {
  const Loaded first = Load();
  const std::string file = model_ + "/model.safetensors";
  const auto time = fs::last_write_time(file);
  WriteTensors(file, Tensors(/*seed=*/9));
  fs::last_write_time(file, time);
  const Loaded other = Load();
  EXPECT_FALSE(other.restored);
  EXPECT_THAT(other.notes,
              Contains(HasSubstr("is of another start: it has \"bytes at 10 places ")));
  EXPECT_FALSE(other.bytes == first.bytes);
  EXPECT_TRUE(Load().restored);
}

// Says of a single byte what no sample can.
TEST_F(PackedCacheTest, ANewManifestIsNoticedByWhoDoesNotAskForIt) {
  Load();
  const auto write_manifest = [&] {
    const auto checkpoint = Checkpoint::Open(model_);
    ASSERT_TRUE(checkpoint.ok());
    const auto manifest = Manifest::Compute(*checkpoint, {});
    ASSERT_TRUE(manifest.ok());
    ASSERT_TRUE(manifest->Write(*checkpoint).ok());
  };
  write_manifest();
  ExpectReplaced("is of another start: it has \"manifest none\"");
  const std::string file = model_ + "/model.safetensors";
  const auto time = fs::last_write_time(file);
  Flip(file, Checkpoint::Open(model_)->Find("w")->offset);
  fs::last_write_time(file, time);
  EXPECT_TRUE(Load().restored) << "no header, no sample and no manifest says so";
  write_manifest();
  ExpectReplaced("is of another start: it has \"manifest ");
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

TEST_F(PackedCacheTest, AGgufFileComesBackAndIsNotMistaken) {
  const std::string model = folder_ / "model.gguf";
  const auto write = [&](int seed) {
    GgufWriter writer;
    writer.Text("general.architecture", "qwen2");
    writer.U32("qwen2.attention.head_count", 4);
    writer.U32("qwen2.attention.head_count_kv", 2);
    std::string blocks;  // of Q8_0: a scale in F16, 32 codes
    for (int block = 0; block < 64; ++block) {
      blocks += std::string("\x00\x3c", 2);
      for (int i = 0; i < 32; ++i) blocks += static_cast<char>((i * seed + block) % 100);
    }
    writer.Tensor("output.weight", {32, 64}, 8, blocks);
    WriteText(model, writer.Bytes());
  };
  const auto load = [&](kernels::WeightForm form, bool* restored) {
    const auto checkpoint = Checkpoint::Open(model);
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
    WeightLoader loader(*checkpoint, *ops_,
                        {.form = form, .packed_cache = {.folder = cache_, .rank = rank_}});
    std::unique_ptr<kernels::PackedLinear> packed;
    loader.Linear({.tensor = "lm_head.weight", .rows = 32, .cols = 64}, &packed);
    const absl::Status status = loader.Run();
    EXPECT_TRUE(status.ok()) << status;
    *restored = loader.restored();
    return std::string(static_cast<const char*>(packed->memory().data()),
                       static_cast<size_t>(packed->memory().num_bytes()));
  };
  write(1);
  bool restored = true;
  for (const auto form : {kernels::WeightForm::kStored, kernels::WeightForm::kInt8}) {
    const std::string first = load(form, &restored);
    EXPECT_FALSE(restored);
    EXPECT_TRUE(load(form, &restored) == first);
    EXPECT_TRUE(restored);
  }
  EXPECT_EQ(FilesOf(cache_).size(), 2u);
  EXPECT_THAT(FilesOf(cache_)[0], HasSubstr("/model.gguf.cpu-"));

  const std::string before = load(kernels::WeightForm::kStored, &restored);
  const auto time = fs::last_write_time(model);
  write(3);
  fs::last_write_time(model, time);
  EXPECT_FALSE(load(kernels::WeightForm::kStored, &restored) == before);
  EXPECT_FALSE(restored);
}

}  // namespace
}  // namespace switchyard::worker
