#include "worker/weights/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <random>

#include "tests/worker/weights/checkpoint_files.h"

namespace switchyard::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Parses `json` as the header of a file that has `data_bytes` behind it.
absl::StatusOr<SafetensorsHeader> Parse(std::string_view json, int64_t data_bytes) {
  return ParseSafetensorsHeader("f.safetensors", json, 8 + int64_t(json.size()) + data_bytes);
}

TEST(SafetensorsHeader, GivesTensorsInTheOrderOfTheirBytes) {
  const std::string json =
      R"({"b":{"dtype":"F8_E4M3","shape":[2,3],"data_offsets":[8,14]},"__metadata__":{"format":"pt"},)"
      R"("a":{"shape":[2],"data_offsets":[0,8],"dtype":"F32"},)"
      R"("scalar":{"dtype":"BF16","shape":[],"data_offsets":[14,16]},)"
      R"("none":{"dtype":"I64","shape":[0,4],"data_offsets":[8,8]}})";
  auto header = Parse(json, 16);
  ASSERT_TRUE(header.ok()) << header.status();
  std::vector<std::string> names;
  for (const TensorInfo& tensor : header->tensors) names.push_back(tensor.name);
  EXPECT_THAT(names, ElementsAre("a", "none", "b", "scalar"));
  const TensorInfo& b = header->tensors[2];
  EXPECT_EQ(b.dtype, FileDtype::kF8E4m3);
  EXPECT_THAT(b.shape, ElementsAre(2, 3));
  EXPECT_EQ(b.offset, 8 + int64_t(json.size()) + 8);
  EXPECT_EQ(b.num_bytes, 6);
  EXPECT_EQ(header->tensors[3].num_bytes, 2);
  ASSERT_EQ(header->metadata.size(), 1u);
  EXPECT_EQ(header->metadata[0].second, "pt");
}

struct BadHeader {
  const char* what;
  std::string json;
  const char* message;  // must be in the status
};

// {"w": {...}} over 16 bytes of data, unless the case needs more.
std::string W(std::string_view members) { return fmt::format(R"({{"w":{{{}}}}})", members); }

const BadHeader kBadHeaders[] = {
    {"no JSON", "{", "malformed JSON"},
    {"no object", "[]", "not a JSON object"},
    {"deep", R"({"w":[[[[[0]]]]]})", "nested deeper"},
    {"tensor is no object", R"({"w":3})", "tensor \"w\": is not an object"},
    {"name twice",
     R"({"w":{"dtype":"U8","shape":[16],"data_offsets":[0,16]},"w":{"dtype":"U8","shape":[16],"data_offsets":[0,16]}})",
     "key \"w\" twice"},
    {"name empty", R"({"":{"dtype":"U8","shape":[16],"data_offsets":[0,16]}})", "name has 0 bytes"},
    {"name with a line end", R"({"a\nb":{"dtype":"U8","shape":[16],"data_offsets":[0,16]}})",
     "control character"},
    {"dtype missing", W(R"("shape":[16],"data_offsets":[0,16])"), "\"w\": lacks dtype"},
    {"dtype unknown", W(R"("dtype":"F4","shape":[32],"data_offsets":[0,16])"), "\"w\": dtype"},
    {"dtype no text", W(R"("dtype":7,"shape":[16],"data_offsets":[0,16])"), "\"w\": dtype"},
    {"shape missing", W(R"("dtype":"U8","data_offsets":[0,16])"), "\"w\": lacks dtype, shape"},
    {"shape negative", W(R"("dtype":"U8","shape":[-16],"data_offsets":[0,16])"), "\"w\": shape"},
    {"shape a fraction", W(R"("dtype":"U8","shape":[16.0],"data_offsets":[0,16])"), "\"w\": shape"},
    {"shape of rank 9", W(R"("dtype":"U8","shape":[16,1,1,1,1,1,1,1,1],"data_offsets":[0,16])"),
     "\"w\": shape is not a list of up to 8"},
    {"shape over int64", W(R"("dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,16])"),
     "\"w\": shape"},
    {"product overflows to 16",
     W(R"("dtype":"U8","shape":[4611686018427387908,4],"data_offsets":[0,16])"),
     "\"w\": shape [4611686018427387908, 4] overflows"},
    {"product overflows but for a zero",
     W(R"("dtype":"U8","shape":[0,4611686018427387904,4],"data_offsets":[0,0])"), "overflows"},
    {"a dimension no loop should count to",
     W(R"("dtype":"U8","shape":[9223372036854775807,0],"data_offsets":[0,0])"), "overflows"},
    {"bytes overflow", W(R"("dtype":"F64","shape":[2305843009213693954],"data_offsets":[0,16])"),
     "overflows"},
    {"size wrong", W(R"("dtype":"BF16","shape":[16],"data_offsets":[0,16])"),
     "\"w\": BF16 [16] takes 32 bytes, data_offsets give 16"},
    {"offsets missing", W(R"("dtype":"U8","shape":[16])"), "\"w\": lacks"},
    {"offsets three", W(R"("dtype":"U8","shape":[16],"data_offsets":[0,16,16])"),
     "\"w\": data_offsets"},
    {"offsets negative", W(R"("dtype":"U8","shape":[16],"data_offsets":[-16,0])"),
     "\"w\": data_offsets"},
    {"offsets backwards", W(R"("dtype":"U8","shape":[16],"data_offsets":[16,0])"), "run backwards"},
    {"file truncated", W(R"("dtype":"U8","shape":[17],"data_offsets":[0,17])"), "truncated"},
    {"unknown member", W(R"("dtype":"U8","shape":[16],"data_offsets":[0,16],"x":1)"),
     "\"w\": has a field"},
    {"data begins with a gap", W(R"("dtype":"U8","shape":[15],"data_offsets":[1,16])"),
     "tensor \"w\" leaves a gap before byte 1"},
    {"bytes left over", W(R"("dtype":"U8","shape":[15],"data_offsets":[0,15])"),
     "1 bytes after the last"},
    {"overlap",
     R"({"v":{"dtype":"U8","shape":[9],"data_offsets":[0,9]},"w":{"dtype":"U8","shape":[8],"data_offsets":[8,16]}})",
     "tensor \"w\" overlaps the one before it at byte 8"},
    {"same bytes twice",
     R"({"v":{"dtype":"U8","shape":[16],"data_offsets":[0,16]},"w":{"dtype":"U8","shape":[16],"data_offsets":[0,16]}})",
     "overlaps"},
    {"metadata no object", R"({"__metadata__":[]})", "__metadata__"},
    {"metadata no texts", R"({"__metadata__":{"a":1}})", "__metadata__"},
};

TEST(SafetensorsHeader, RefusesEachFaultByName) {
  for (const BadHeader& bad : kBadHeaders) {
    auto header = Parse(bad.json, 16);
    ASSERT_FALSE(header.ok()) << bad.what;
    EXPECT_EQ(header.status().code(), absl::StatusCode::kInvalidArgument) << bad.what;
    const std::string message(Message(header.status()));
    EXPECT_THAT(message, HasSubstr(bad.message)) << bad.what;
    EXPECT_EQ(message.find("f.safetensors: "), 0u) << message;
  }
}

TEST(SafetensorsHeader, LengthIsBoundedBeforeAnythingIsRead) {
  const auto length = [](uint64_t value, int64_t file_bytes) {
    return ParseSafetensorsHeaderLength("f", std::as_bytes(std::span(&value, 1)), file_bytes);
  };
  EXPECT_EQ(*length(100, 108), 100);
  EXPECT_EQ(*length(100'000'000, 1'000'000'000), 100'000'000);
  for (auto [value, file_bytes] : {std::pair<uint64_t, int64_t>{101, 108},
                                   {100'000'001, 1'000'000'000},
                                   {~uint64_t{0}, 108},
                                   {uint64_t{1} << 63, 108},
                                   {0, 7}}) {
    EXPECT_EQ(length(value, file_bytes).status().code(), absl::StatusCode::kInvalidArgument)
        << value << " of " << file_bytes;
  }
}

TEST(ReadSafetensorsHeader, ShortFilesAreRefused) {
  TempFolder folder;
  for (const std::string& bytes : {std::string(), std::string("1234567"), WithLength("{}") + "x",
                                   WithLength("{}").substr(0, 9)}) {
    WriteText(folder / "f", bytes);
    auto file = PosixFile::OpenForRead(folder / "f");
    ASSERT_TRUE(file.ok());
    auto header = ReadSafetensorsHeader(*file);
    EXPECT_EQ(header.status().code(), absl::StatusCode::kInvalidArgument) << bytes.size();
    EXPECT_THAT(std::string(Message(header.status())), HasSubstr(folder / "f"));
  }
}

TEST(PosixFile, WhatIsNoFileIsRefusedWithoutWaiting) {
  TempFolder folder;
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(PosixFile::OpenForRead(folder / "pipe").status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(PosixFile::OpenForRead(folder.path()).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(PosixFile::OpenForRead(folder / "missing").status().code(),
            absl::StatusCode::kNotFound);
}

TEST(SafetensorsWriter, RandomFilesComeBackAsWritten) {
  std::mt19937 random(1);
  TempFolder folder;
  for (int round = 0; round < 20; ++round) {
    std::vector<TestTensor> tensors;
    for (unsigned i = 0; i < random() % 12; ++i) {
      TensorShape shape(random() % 4);
      for (int64_t& dim : shape) dim = random() % 7;
      tensors.push_back(
          CountingTensor(fmt::format("t\"{}\\é", i), FileDtype(random() % 16), shape, i));
    }
    WriteTensors(folder / "f", tensors);
    auto file = PosixFile::OpenForRead(folder / "f");
    ASSERT_TRUE(file.ok());
    auto header = ReadSafetensorsHeader(*file);
    ASSERT_TRUE(header.ok()) << header.status();
    ASSERT_EQ(header->tensors.size(), tensors.size());
    for (const TensorInfo& tensor : header->tensors) {
      const auto written =
          std::ranges::find(tensors, tensor.name, [](const TestTensor& t) { return t.spec.name; });
      ASSERT_NE(written, tensors.end()) << tensor.name;
      EXPECT_EQ(tensor.dtype, written->spec.dtype);
      EXPECT_EQ(tensor.shape, written->spec.shape);
      std::string bytes(tensor.num_bytes, '\0');
      ASSERT_TRUE(file->ReadAt(tensor.offset, std::as_writable_bytes(std::span(bytes))).ok());
      EXPECT_EQ(bytes, written->bytes);
    }
  }
}

TEST(SafetensorsWriter, DataBeginsAtAMultipleOfEight) {
  TempFolder folder;
  for (int extra = 0; extra < 8; ++extra) {
    WriteTensors(folder / "f", {CountingTensor(std::string(1 + extra, 'n'), FileDtype::kF32, {3})});
    auto header = ReadSafetensorsHeader(*PosixFile::OpenForRead(folder / "f"));
    ASSERT_TRUE(header.ok()) << header.status();
    EXPECT_EQ(header->tensors[0].offset % 8, 0);
  }
}

TEST(SafetensorsWriter, WideElementsComeFirstThenNames) {
  TempFolder folder;
  WriteTensors(
      folder / "f",
      {CountingTensor("b", FileDtype::kF8E4m3, {3}), CountingTensor("a", FileDtype::kF8E4m3, {5}),
       CountingTensor("d", FileDtype::kF32, {1}), CountingTensor("c", FileDtype::kBf16, {2})});
  const auto header = ReadSafetensorsHeader(*PosixFile::OpenForRead(folder / "f"));
  ASSERT_TRUE(header.ok()) << header.status();
  std::string names;
  for (const TensorInfo& tensor : header->tensors) names += tensor.name;
  EXPECT_EQ(names, "dcab");
}

TEST(SafetensorsWriter, UnfinishedLeavesNothing) {
  TempFolder folder;
  {
    auto writer = SafetensorsWriter::Create(folder / "f", {{"t", FileDtype::kU8, {4}}});
    ASSERT_TRUE(writer.ok());
    EXPECT_EQ(SafetensorsWriter::Create(folder / "f", {}).status().code(),
              absl::StatusCode::kAlreadyExists);
    EXPECT_FALSE(std::filesystem::exists(folder / "f"));
    EXPECT_FALSE(writer->complete());
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

// A limit on this process's files stands for the end of the disk: the kernel answers the same calls
// with an error.
TEST(SafetensorsWriter, NoRoomIsAClearErrorAndLeavesNothing) {
  TempFolder folder;
  signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit tight{1000, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  const absl::Status status =
      SafetensorsWriter::Create(folder / "f", {{"t", FileDtype::kU8, {1000}}}).status();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(std::string(Message(status)), HasSubstr(folder / "f"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace switchyard::worker
