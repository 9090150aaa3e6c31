// Which places of a checkpoint are looked at, and that their bytes decide the digest.
#include "worker/weights/content_sample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/units.h"
#include "tests/worker/weights/checkpoint_files.h"

namespace switchyard::worker {
namespace {

using ::testing::ElementsAre;

// Bytes, one tensor behind the other.
Checkpoint Named(const std::vector<std::pair<std::string, int64_t>>& tensors) {
  std::vector<TensorInfo> infos;
  int64_t offset = 0;
  for (const auto& [name, bytes] : tensors) {
    infos.push_back({.name = name,
                     .dtype = FileDtype::kU8,
                     .shape = {bytes},
                     .offset = offset,
                     .num_bytes = bytes});
    offset += bytes;
  }
  return Checkpoint::OfFile("none", std::move(infos));
}

TEST(ContentSample, LooksAtSomeTensorsOfEachKindEvenlyOverTheirNames) {
  std::vector<std::pair<std::string, int64_t>> tensors;
  for (int layer = 10; layer < 71; ++layer) {
    for (int expert = 100; expert < 356; ++expert) {
      tensors.emplace_back(fmt::format("layers.{}.experts.{}.up", layer, expert), 10 * kMiB);
    }
  }
  tensors.emplace_back("layers.3.q_a_norm", 100);
  const std::vector<TensorInfo> places = ChooseSample(Named(tensors));
  ASSERT_EQ(places.size(), 9u);
  std::set<int64_t> layers;
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(places[i].num_bytes, kSampleBytes);
    EXPECT_EQ(places[i].offset % (10 * kMiB), 5 * kMiB - kSampleBytes / 2) << "the middle of one";
    layers.insert(places[i].offset / (10 * kMiB) / 256);
  }
  EXPECT_THAT(layers, ElementsAre(0, 8, 17, 26, 34, 43, 52, 60));
  EXPECT_EQ(places[8].offset, 61 * 256 * 10 * kMiB) << "all of a small one";
  EXPECT_EQ(places[8].num_bytes, 100);
}

TEST(ContentSample, NamesThatDifferInMoreThanNumbersAreOfOtherKinds) {
  const Checkpoint checkpoint = Named({{"l.1.k", 8}, {"l.12.k", 8}, {"l.1.v", 8}, {"none", 0}});
  EXPECT_EQ(ChooseSample(checkpoint).size(), 4u);
  EXPECT_EQ(ChooseSample(Named({})).size(), 0u);
  EXPECT_EQ(ChooseSample(checkpoint)[0].name, "l.1.k");
}

TEST(ContentSample, EveryByteOfItDecidesTheDigest) {
  const TempFolder folder;
  const std::string path = folder / kSingleFileName;
  std::vector<TestTensor> tensors = {CountingTensor("a", FileDtype::kU8, {10'000}),
                                     CountingTensor("b", FileDtype::kF32, {3}, 7)};
  const auto digest = [&] {
    WriteTensors(path, tensors);
    const auto checkpoint = Checkpoint::Open(folder.path());
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
    const auto found = DigestOfSample(*checkpoint, ChooseSample(*checkpoint), {});
    EXPECT_TRUE(found.ok()) << found.status();
    return *found;
  };
  const std::string whole = digest();
  EXPECT_EQ(digest(), whole);
  constexpr int64_t kFirst = 5000 - kSampleBytes / 2, kLast = 5000 + kSampleBytes / 2 - 1;
  for (const int64_t at : {kFirst, int64_t{5000}, kLast}) {
    tensors[0].bytes[static_cast<size_t>(at)] ^= 1;
    EXPECT_NE(digest(), whole) << at;
    tensors[0].bytes[static_cast<size_t>(at)] ^= 1;
  }
  tensors[1].bytes[11] ^= 1;
  EXPECT_NE(digest(), whole);
  tensors[1].bytes[11] ^= 1;
  tensors[0].bytes[kLast + 1] ^= 1;
  EXPECT_EQ(digest(), whole) << "not of the sample";
}

TEST(ContentSample, AFileThatWasCutIsTold) {
  const TempFolder folder;
  WriteTensors(folder / kSingleFileName, {CountingTensor("a", FileDtype::kU8, {10'000})});
  const auto checkpoint = Checkpoint::Open(folder.path());
  ASSERT_TRUE(checkpoint.ok());
  std::filesystem::resize_file(folder / kSingleFileName, 2000);
  const auto found = DigestOfSample(*checkpoint, ChooseSample(*checkpoint), {});
  EXPECT_TRUE(absl::IsDataLoss(found.status())) << found.status();
}

}  // namespace
}  // namespace switchyard::worker
