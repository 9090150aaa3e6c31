// Digests of a checkpoint: a flipped bit anywhere is found and named.
#include "worker/weights/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/worker/weights/checkpoint_files.h"
#include "worker/weights/crc32c.h"

namespace switchyard::worker {
namespace {

using ::testing::HasSubstr;

class ManifestTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteTensors(path_, {CountingTensor("wide", FileDtype::kU8, {5, 700'000}),
                         CountingTensor("tall", FileDtype::kBf16, {900, 1500}, 3),
                         CountingTensor("vector", FileDtype::kF32, {7}, 5),
                         CountingTensor("scalar", FileDtype::kF32, {}, 6),
                         CountingTensor("empty", FileDtype::kU8, {0, 7})});
    auto checkpoint = Checkpoint::Open(folder_.path());
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    checkpoint_ = *std::move(checkpoint);
  }
  const TensorInfo& tensor(std::string_view name) const { return *checkpoint_.Find(name); }

  // What verifying all of a tensor says.
  absl::Status Verify(const Manifest& manifest, std::string_view name) {
    const std::string bytes = TensorBytes(checkpoint_, name);
    return manifest.Verify(TensorRange::Whole(tensor(name)),
                           reinterpret_cast<const std::byte*>(bytes.data()));
  }

  void FlipBit(int64_t offset, int bit) {
    std::fstream file(path_, std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(offset);
    const char byte = char(file.get() ^ (1 << bit));
    file.seekp(offset);
    file.put(byte);
  }

  TempFolder folder_;
  const std::string path_ = folder_ / kSingleFileName;
  Checkpoint checkpoint_;
};

TEST(Crc32c, IsTheKnownOneAndGoesOn) {
  const std::string text = "123456789";
  const auto bytes = std::as_bytes(std::span(text));
  EXPECT_EQ(Crc32c(bytes), 0xe3069283u);  // RFC 3720, B.4
  EXPECT_EQ(Crc32c(bytes.subspan(4), Crc32c(bytes.first(4))), 0xe3069283u);
}

TEST_F(ManifestTest, WhatWasWrittenVerifiesWhatWasRead) {
  const auto computed = Manifest::Compute(checkpoint_, {});
  ASSERT_TRUE(computed.ok()) << computed.status();
  ASSERT_TRUE(computed->Write(checkpoint_).ok());
  const auto manifest = Manifest::Read(checkpoint_);
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  for (const TensorInfo& tensor : checkpoint_.tensors()) {
    EXPECT_TRUE(Verify(*manifest, tensor.name).ok()) << tensor.name;
  }
  EXPECT_EQ(manifest->digest(), computed->digest());
}

TEST_F(ManifestTest, AFlippedBitAnywhereIsFoundAndItsTensorNamed) {
  const auto manifest = Manifest::Compute(checkpoint_, {});
  ASSERT_TRUE(manifest.ok());
  std::mt19937 random(11);
  for (int round = 0; round < 40; ++round) {
    const TensorInfo& hit = checkpoint_.tensors()[random() % checkpoint_.tensors().size()];
    if (hit.num_bytes == 0) continue;
    const int64_t offset = hit.offset + int64_t(random() % uint64_t(hit.num_bytes));
    const int bit = int(random() % 8);
    FlipBit(offset, bit);
    for (const TensorInfo& tensor : checkpoint_.tensors()) {
      const absl::Status status = Verify(*manifest, tensor.name);
      EXPECT_EQ(status.ok(), tensor.name != hit.name) << tensor.name << " " << offset;
      if (status.ok()) continue;
      EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
      EXPECT_THAT(std::string(Message(status)), HasSubstr("tensor " + hit.name + ", rows "));
    }
    EXPECT_NE(Manifest::Compute(checkpoint_, {})->digest(), manifest->digest());
    FlipBit(offset, bit);
  }
}

TEST_F(ManifestTest, ASliceIsVerifiedByTheWholeBandsThatItTouches) {
  const auto manifest = Manifest::Compute(checkpoint_, {});
  ASSERT_TRUE(manifest.ok());
  const TensorInfo& tall = tensor("tall");
  ASSERT_EQ(BandRows(tall), kMiB / 3000);  // 349
  TensorRange slice = TensorRange::Rows(tall, 400, 500);
  slice.col_begin = 10;
  slice.col_end = 20;
  const TensorRange band = WidenToBands(slice);
  EXPECT_EQ(band.row_begin, 349);
  EXPECT_EQ(band.row_end, 698);
  EXPECT_TRUE(band.whole_rows());
  std::string bytes = TensorBytes(checkpoint_, "tall").substr(349 * 3000, 349 * 3000);
  const auto* data = reinterpret_cast<const std::byte*>(bytes.data());
  EXPECT_TRUE(manifest->Verify(band, data).ok());
  bytes[123'456] ^= 1;
  const absl::Status status = manifest->Verify(band, data);
  EXPECT_THAT(std::string(Message(status)), HasSubstr("tensor tall, rows 349 to 697: "));
}

TEST_F(ManifestTest, AMissingBrokenOrForeignManifestSaysWhatToDo) {
  const std::string path = folder_ / kManifestFileName;
  const auto expect = [&](absl::StatusCode code, const std::string& message) {
    const absl::Status status = Manifest::Read(checkpoint_).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(Message(status)), HasSubstr(path));
    EXPECT_THAT(std::string(Message(status)), HasSubstr(message));
    EXPECT_THAT(std::string(Message(status)), HasSubstr("switchyard manifest"));
  };
  expect(absl::StatusCode::kNotFound, "there is no manifest");
  ASSERT_TRUE(Manifest::Compute(checkpoint_, {})->Write(checkpoint_).ok());
  std::ifstream file(path);
  const std::string good((std::istreambuf_iterator<char>(file)), {});
  for (const char* bad : {"", "[]", "{\"switchyard_manifest\": 1}", "{\"tensors\": {}}"}) {
    WriteText(path, bad);
    expect(absl::StatusCode::kInvalidArgument, "");
  }
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    WriteText(path, text);
  };
  replaced("\"tall\"", "\"small\"");
  expect(absl::StatusCode::kInvalidArgument, "does not have tensor tall as BF16 [900, 1500]");
  replaced("\"crc32c\": \"", "\"crc32c\": \"00000000");
  expect(absl::StatusCode::kInvalidArgument, "tensor empty does not have 0 digests");
  replaced("\"crc32c\": \"", "\"crc32c\": \"x");
  expect(absl::StatusCode::kInvalidArgument, "tensor empty does not have 0 digests");
}

}  // namespace
}  // namespace switchyard::worker
