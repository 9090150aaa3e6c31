#include "cli/checkpoint_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/json.h"
#include "tests/worker/weights/checkpoint_files.h"

namespace switchyard::cli {
namespace {

namespace fs = std::filesystem;
using worker::FileDtype;
using worker::TempFolder;
using worker::TensorSpec;

const std::vector<TensorSpec> kSpecs = {{"a", FileDtype::kU8, {60}},
                                        {"b", FileDtype::kU8, {50}},
                                        {"c", FileDtype::kU8, {50}},
                                        {"d", FileDtype::kU8, {300}},
                                        {"e", FileDtype::kU8, {0}}};

absl::Status WriteAll(CheckpointWriter& writer) {
  for (size_t i = 0; i < kSpecs.size(); ++i) {
    const std::vector<std::byte> bytes(NumBytes(kSpecs[i]), std::byte(i + 1));
    SY_RETURN_IF_ERROR(writer.Write(i, 0, bytes));
  }
  return absl::OkStatus();
}

TEST(CheckpointWriter, FillsFilesInOrderUpToTheirSize) {
  TempFolder folder;
  auto writer =
      CheckpointWriter::Create({.out_folder = folder / "out/", .shard_bytes = 100}, kSpecs);
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_TRUE(WriteAll(**writer).ok());
  EXPECT_FALSE(fs::exists(folder / "out"));
  const absl::Status status = (*writer)->Finish();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_FALSE(fs::exists(folder / "out.partial"));
  const Json index = *ParseJson(*ReadFile(folder / "out/model.safetensors.index.json", 10'000));
  EXPECT_EQ(
      index.dump(),
      R"({"metadata":{"total_size":460},"weight_map":{"a":"model-00001-of-000004.safetensors",)"
      R"("b":"model-00002-of-000004.safetensors","c":"model-00002-of-000004.safetensors",)"
      R"("d":"model-00003-of-000004.safetensors","e":"model-00004-of-000004.safetensors"}})");
}

TEST(CheckpointWriter, TheResultOpensAsACheckpoint) {
  TempFolder folder;
  auto writer = CheckpointWriter::Create(
      {.out_folder = folder / "deep/down/out", .shard_bytes = 120}, kSpecs);
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_TRUE(WriteAll(**writer).ok() && (*writer)->Finish().ok());
  auto checkpoint = worker::Checkpoint::Open(folder / "deep/down/out");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->tensors().size(), 5u);
  EXPECT_EQ(TensorBytes(*checkpoint, "c"), std::string(50, '\3'));
}

TEST(CheckpointWriter, WithoutFinishNothingStays) {
  TempFolder folder;
  {
    auto writer =
        CheckpointWriter::Create({.out_folder = folder / "out", .shard_bytes = 100}, kSpecs);
    ASSERT_TRUE(writer.ok());
    const std::vector<std::byte> half(30);
    ASSERT_TRUE((*writer)->Write(0, 0, half).ok());
    ASSERT_TRUE((*writer)->AddFile("config.json", "{}").ok());
  }
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(CheckpointWriter, AnEmptyFolderMayBeThere) {
  TempFolder folder;
  fs::create_directory(folder / "out");
  auto writer = CheckpointWriter::Create({.out_folder = folder / "out"}, kSpecs);
  ASSERT_TRUE(writer.ok() && WriteAll(**writer).ok() && (*writer)->Finish().ok());
  EXPECT_TRUE(worker::Checkpoint::Open(folder / "out").ok());
}

TEST(CheckpointWriter, WhatIsLeftIsZeros) {
  TempFolder folder;
  auto writer = CheckpointWriter::Create(
      {.out_folder = folder / "out", .shard_bytes = 120, .space = worker::DiskSpace::kSparse},
      kSpecs);
  ASSERT_TRUE(writer.ok()) << writer.status();
  for (const size_t hole : {4, 1, 3}) ASSERT_TRUE((*writer)->LeaveZeros(hole).ok());
  for (const size_t written : {0, 2}) {
    const std::vector<std::byte> bytes(NumBytes(kSpecs[written]), std::byte{7});
    ASSERT_TRUE((*writer)->Write(written, 0, bytes).ok());
  }
  ASSERT_TRUE((*writer)->Finish().ok());
  const auto checkpoint = worker::Checkpoint::Open(folder / "out");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(TensorBytes(*checkpoint, "a"), std::string(60, '\7'));
  EXPECT_EQ(TensorBytes(*checkpoint, "b"), std::string(50, '\0'));
  EXPECT_EQ(TensorBytes(*checkpoint, "d"), std::string(300, '\0'));
}

TEST(CheckpointWriter, SparseFilesMayBeLargerThanTheDisk) {
  TempFolder folder;
  const std::vector<TensorSpec> specs = {{"huge", FileDtype::kU8, {int64_t{3} << 40}}};
  const auto writer = CheckpointWriter::Create({.out_folder = folder / "out",
                                                .shard_bytes = int64_t{4} << 40,
                                                .space = worker::DiskSpace::kSparse},
                                               specs);
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_TRUE((*writer)->LeaveZeros(0).ok() && (*writer)->Finish().ok());
  const auto checkpoint = worker::Checkpoint::Open(folder / "out");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->num_bytes(), int64_t{3} << 40);
}

TEST(CheckpointWriter, RefusesWhatIsThere) {
  TempFolder folder;
  fs::create_directory(folder / "full");
  worker::WriteText(folder / "full/precious", "data");
  worker::WriteText(folder / "file", "data");
  for (const char* name : {"full", "full/", "file"}) {
    EXPECT_EQ(CheckpointWriter::Create({.out_folder = folder / name}, kSpecs).status().code(),
              absl::StatusCode::kAlreadyExists)
        << name;
  }
  EXPECT_TRUE(fs::exists(folder / "full/precious"));
  EXPECT_FALSE(fs::exists(folder / "full.partial"));
}

TEST(CheckpointWriter, RefusesFoldersThatCannotBeReplaced) {
  // /proc is a file system of its own everywhere.
  for (const char* name : {"", ".", "..", "/", "/proc", "/proc/"}) {
    const absl::Status status = CheckpointWriter::Create({.out_folder = name}, kSpecs).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name << ": " << status;
  }
}

TEST(CheckpointWriter, TwoRunsDoNotMeet) {
  TempFolder folder;
  auto first = CheckpointWriter::Create({.out_folder = folder / "out"}, kSpecs);
  ASSERT_TRUE(first.ok());
  const absl::Status second =
      CheckpointWriter::Create({.out_folder = folder / "out"}, kSpecs).status();
  EXPECT_EQ(second.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(Message(second)), ::testing::HasSubstr("out.partial"));
  ASSERT_TRUE(WriteAll(**first).ok());
  EXPECT_TRUE((*first)->Finish().ok());
}

TEST(CheckpointWriter, MoreThanTheDiskHoldsIsRefusedBeforeTheWork) {
  TempFolder folder;
  const absl::Status status =
      CheckpointWriter::Create({.out_folder = folder / "out"},
                               {{"huge", FileDtype::kU8, {int64_t{1} << 60}}})
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(CheckpointWriter, ShardSizeMustBePositive) {
  TempFolder folder;
  EXPECT_EQ(CheckpointWriter::Create({.out_folder = folder / "out", .shard_bytes = 0}, kSpecs)
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace switchyard::cli
