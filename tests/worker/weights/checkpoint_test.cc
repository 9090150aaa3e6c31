#include "worker/weights/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/worker/weights/checkpoint_files.h"

namespace switchyard::worker {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Checkpoint, OpensTheBundledModel) {
  auto checkpoint = Checkpoint::Open(kTinyR1);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->files().size(), 4u);
  EXPECT_EQ(checkpoint->tensors().size(), 885u);
  EXPECT_EQ(checkpoint->num_bytes(), 23467564);  // total_size of its index
  const TensorInfo* tensor =
      checkpoint->Find("model.layers.1.mlp.experts.28.down_proj.weight_scale_inv");
  ASSERT_NE(tensor, nullptr);
  EXPECT_EQ(tensor->dtype, FileDtype::kF32);
  EXPECT_THAT(tensor->shape, ElementsAre(2, 1));
  EXPECT_EQ(checkpoint->files()[tensor->file], kTinyR1 + "/model-00002-of-000004.safetensors");
}

TEST(Checkpoint, TellsWhatItLacks) {
  auto checkpoint = Checkpoint::Open(kTinyR1);
  ASSERT_TRUE(checkpoint.ok());
  EXPECT_EQ(checkpoint->Find("model.layers.9.mlp.gate.weight"), nullptr);
  const absl::Status status = checkpoint->Get("model.layers.9.mlp.gate.weight").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(Message(status)), HasSubstr("model.layers.9.mlp.gate.weight"));
}

// a and b in one file, c in another.
void WriteTwoFiles(const TempFolder& folder) {
  WriteTensors(folder / "m1.safetensors", {CountingTensor("a", FileDtype::kU8, {4}, 1),
                                           CountingTensor("b", FileDtype::kBf16, {2, 2}, 10)});
  WriteTensors(folder / "m2.safetensors", {CountingTensor("c", FileDtype::kF32, {1}, 20)});
}

constexpr std::string_view kGoodIndex =
    R"({"weight_map":{"a":"m1.safetensors","b":"m1.safetensors","c":"m2.safetensors"}})";

TEST(Checkpoint, OneFileNeedsNoIndex) {
  TempFolder folder;
  WriteTensors(folder / "model.safetensors", {CountingTensor("b", FileDtype::kU8, {3}, 7),
                                              CountingTensor("a", FileDtype::kU8, {2}, 9)});
  auto checkpoint = Checkpoint::Open(folder.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->tensors()[0].name, "a");
  EXPECT_EQ(TensorBytes(*checkpoint, "b"), "\x07\x08\x09");
}

TEST(Checkpoint, FollowsTheLinksOfADownloadCache) {
  TempFolder folder;
  fs::create_directories(folder / "blobs");
  fs::create_directories(folder / "snapshots/1");
  WriteTensors(folder / "blobs/0123abcd", {CountingTensor("a", FileDtype::kU8, {2}, 5)});
  fs::create_symlink("../../blobs/0123abcd", folder / "snapshots/1/model.safetensors");
  auto checkpoint = Checkpoint::Open(folder / "snapshots/1");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(TensorBytes(*checkpoint, "a"), "\x05\x06");
}

struct BadFolder {
  const char* what;
  std::string index;
  std::function<void(const TempFolder&)> damage;
  absl::StatusCode code;
  const char* message;
};

const BadFolder kBadFolders[] = {
    {"index no JSON", "{", nullptr, absl::StatusCode::kInvalidArgument,
     "index.json: malformed JSON"},
    {"no weight_map", R"({"metadata":{}})", nullptr, absl::StatusCode::kInvalidArgument,
     "no weight_map"},
    {"weight_map a list", R"({"weight_map":["a"]})", nullptr, absl::StatusCode::kInvalidArgument,
     "no weight_map"},
    {"weight_map empty", R"({"weight_map":{}})", nullptr, absl::StatusCode::kInvalidArgument,
     "no weight_map"},
    {"file no text", R"({"weight_map":{"a":1}})", nullptr, absl::StatusCode::kInvalidArgument,
     "number for tensor \"a\""},
    {"path upwards", R"({"weight_map":{"a":"../m1.safetensors"}})", nullptr,
     absl::StatusCode::kInvalidArgument, "\"../m1.safetensors\" for tensor \"a\""},
    {"path absolute", R"({"weight_map":{"a":"/etc/passwd"}})", nullptr,
     absl::StatusCode::kInvalidArgument, "\"/etc/passwd\" for tensor \"a\""},
    {"path below", R"({"weight_map":{"a":"x/m1.safetensors"}})", nullptr,
     absl::StatusCode::kInvalidArgument, "not the name of a file in this folder"},
    {"path dots", R"({"weight_map":{"a":".."}})", nullptr, absl::StatusCode::kInvalidArgument,
     "not the name of a file"},
    {"path empty", R"({"weight_map":{"a":""}})", nullptr, absl::StatusCode::kInvalidArgument,
     "not the name of a file"},
    {"file missing", std::string(kGoodIndex),
     [](const TempFolder& folder) { fs::remove(folder / "m2.safetensors"); },
     absl::StatusCode::kNotFound, "m2.safetensors: cannot open"},
    {"file is a folder", R"({"weight_map":{"a":"d"}})",
     [](const TempFolder& folder) { fs::create_directory(folder / "d"); },
     absl::StatusCode::kInvalidArgument, "d: not a regular file"},
    {"file cut", std::string(kGoodIndex),
     [](const TempFolder& folder) {
       fs::resize_file(folder / "m1.safetensors", fs::file_size(folder / "m1.safetensors") - 1);
     },
     absl::StatusCode::kInvalidArgument, "m1.safetensors: tensor \"a\""},
    {"file longer", std::string(kGoodIndex),
     [](const TempFolder& folder) {
       fs::resize_file(folder / "m1.safetensors", fs::file_size(folder / "m1.safetensors") + 1);
     },
     absl::StatusCode::kInvalidArgument, "m1.safetensors: 1 bytes after the last tensor"},
    {"tensor in no file",
     R"({"weight_map":{"a":"m1.safetensors","b":"m1.safetensors","x":"m1.safetensors"}})", nullptr,
     absl::StatusCode::kInvalidArgument, "tensor \"x\" is not in m1.safetensors"},
    {"tensor in another file",
     R"({"weight_map":{"a":"m1.safetensors","b":"m2.safetensors","c":"m2.safetensors"}})", nullptr,
     absl::StatusCode::kInvalidArgument,
     "tensor \"b\" is not in m2.safetensors, the file that "
     "model.safetensors.index.json names, it is in m1.safetensors"},
    {"tensor not in the index", R"({"weight_map":{"a":"m1.safetensors","c":"m2.safetensors"}})",
     nullptr, absl::StatusCode::kInvalidArgument, "tensor \"b\" of m1.safetensors is missing in"},
    {"last tensor not in the index", R"({"weight_map":{"a":"m1.safetensors"}})", nullptr,
     absl::StatusCode::kInvalidArgument, "tensor \"b\" of m1.safetensors is missing in"},
    {"tensor in two files", std::string(kGoodIndex),
     [](const TempFolder& folder) {
       WriteTensors(folder / "m2.safetensors", {CountingTensor("a", FileDtype::kU8, {4}),
                                                CountingTensor("c", FileDtype::kF32, {1})});
     },
     absl::StatusCode::kInvalidArgument,
     "tensor \"a\" is both in m1.safetensors and in m2.safetensors"},
};

TEST(Checkpoint, RefusesEachFaultByName) {
  for (const BadFolder& bad : kBadFolders) {
    TempFolder folder;
    WriteTwoFiles(folder);
    WriteText(folder / kIndexFileName, bad.index);
    if (bad.damage) bad.damage(folder);
    const absl::Status status = Checkpoint::Open(folder.path()).status();
    EXPECT_EQ(status.code(), bad.code) << bad.what << ": " << status;
    EXPECT_THAT(std::string(Message(status)), HasSubstr(bad.message)) << bad.what;
    EXPECT_THAT(std::string(Message(status)), HasSubstr(folder.path())) << bad.what;
  }
}

TEST(Checkpoint, TheUndamagedFolderOfThoseFaultsIsGood) {
  TempFolder folder;
  WriteTwoFiles(folder);
  WriteText(folder / kIndexFileName, kGoodIndex);
  auto checkpoint = Checkpoint::Open(folder.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->num_bytes(), 16);
}

TEST(Checkpoint, MissingFolderAndFolderWithoutWeights) {
  TempFolder folder;
  EXPECT_EQ(Checkpoint::Open(folder / "none").status().code(), absl::StatusCode::kNotFound);
  const absl::Status status = Checkpoint::Open(folder.path()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(Message(status)),
              HasSubstr("has neither model.safetensors.index.json nor"));
}

// The published index of DeepSeek-V3 has 91,991 lines: reading it must not take quadratic time.
TEST(Checkpoint, AHundredThousandTensorsOpenQuickly) {
  TempFolder folder;
  std::vector<TensorSpec> specs;
  std::string index = R"({"weight_map":{)";
  for (int i = 0; i < 100'000; ++i) {
    specs.push_back({fmt::format("model.layers.{}.mlp.experts.{}.weight", i / 768, i % 768),
                     FileDtype::kU8,
                     {0}});
    index += fmt::format("{}\"{}\":\"m\"", i == 0 ? "" : ",", specs.back().name);
  }
  WriteText(folder / kIndexFileName, index + "}}");
  auto writer = SafetensorsWriter::Create(folder / "m", specs);
  ASSERT_TRUE(writer.ok() && writer->Finish().ok());
  auto checkpoint = Checkpoint::Open(folder.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->tensors().size(), 100'000u);
}

}  // namespace
}  // namespace switchyard::worker
