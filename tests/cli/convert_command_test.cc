#include "cli/convert_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/file.h"
#include "base/json.h"
#include "coordinator/model_config.h"
#include "coordinator/text/tokenizer.h"
#include "kernels/dtype.h"
#include "tests/cli/checkpoint_digest.h"
#include "tests/testing/gguf_model.h"
#include "tests/worker/weights/checkpoint_files.h"

namespace switchyard::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using worker::FileDtype;
using worker::kTinyR1;
using worker::TempFolder;
using worker::TensorOf;
using worker::TestTensor;

// Of the BF16 checkpoint that the bundled model's authors derived from it.
constexpr std::string_view kTinyR1Bf16Digest =
    "0b1cfbef77514e7523862f10816c71d1088ed678b559ba23800c632c1ec48200";

TEST(RunConvert, TheBundledModelComesOutByteForByte) {
  TempFolder folder;
  const absl::Status status = RunConvert(
      {.model_folder = kTinyR1, .out_folder = folder / "out", .shard_bytes = 12'700'000});
  ASSERT_TRUE(status.ok()) << status;
  auto checkpoint = worker::Checkpoint::Open(folder / "out");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->num_bytes(), 38'201'344);
  EXPECT_EQ(checkpoint->files().size(), 4u);
  EXPECT_EQ(CheckpointDigest(*checkpoint), kTinyR1Bf16Digest);
}

TEST(RunConvert, KeepsTheConfigButForItsQuantization) {
  TempFolder folder;
  ASSERT_TRUE(RunConvert({.model_folder = kTinyR1, .out_folder = folder / "out"}).ok());
  Json expected = *ParseJson(*ReadFile(kTinyR1 + "/config.json", 100'000));
  ASSERT_EQ(expected.erase("quantization_config"), 1u);
  EXPECT_EQ(ParseJson(*ReadFile(folder / "out/config.json", 100'000))->dump(), expected.dump());
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "generation_config.json"}) {
    EXPECT_EQ(*ReadFile(folder / "out/" + name, 1 << 20), *ReadFile(kTinyR1 + "/" + name, 1 << 20))
        << name;
  }
}

constexpr std::string_view kFp8Config =
    R"({"quantization_config":{"quant_method":"fp8","weight_block_size":[128,128]}})";

// A model of one FP8 matrix [130, 2], all ones, whose two blocks of rows have the scales 2 and
// `second_scale`.
void WriteModel(const TempFolder& folder, float second_scale) {
  worker::WriteText(folder / "config.json", kFp8Config);
  worker::WriteTensors(
      folder / "model.safetensors",
      {TensorOf<uint8_t>("w", FileDtype::kF8E4m3, {130, 2},
                         std::vector<uint8_t>(260, uint8_t(kernels::ToF8E4M3(1.0f)))),
       TensorOf<float>("w_scale_inv", FileDtype::kF32, {2, 1}, {2.0f, second_scale}),
       TensorOf<float>("bias", FileDtype::kF32, {1}, {5.0f})});
}

float Bf16At(const std::string& bytes, size_t index) {
  uint16_t bits;
  std::memcpy(&bits, bytes.data() + 2 * index, sizeof(bits));
  return kernels::ToFloat(kernels::Bf16(bits));
}

TEST(RunConvert, PartialBlocksHaveTheirOwnScale) {
  TempFolder model, out;
  WriteModel(model, 3.0f);
  const absl::Status status = RunConvert({.model_folder = model.path(), .out_folder = out.path()});
  ASSERT_TRUE(status.ok()) << status;
  auto checkpoint = worker::Checkpoint::Open(out.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  const std::string bytes = TensorBytes(*checkpoint, "w");
  ASSERT_EQ(bytes.size(), 520u);
  EXPECT_EQ(Bf16At(bytes, 255), 2.0f);
  EXPECT_EQ(Bf16At(bytes, 256), 3.0f);
  EXPECT_EQ(checkpoint->Find("w_scale_inv"), nullptr);
  EXPECT_EQ(checkpoint->Find("bias")->dtype, FileDtype::kF32);
}

TEST(RunConvert, ReadsScalesStoredAsExponents) {
  TempFolder model, out;
  WriteModel(model, 3.0f);
  worker::WriteTensors(
      model / "model.safetensors",
      {TensorOf<uint8_t>("w", FileDtype::kF8E4m3, {1, 1}, {uint8_t(kernels::ToF8E4M3(1.5f))}),
       TensorOf<uint8_t>("w_scale_inv", FileDtype::kF8E8m0, {1, 1}, {129})});
  ASSERT_TRUE(RunConvert({.model_folder = model.path(), .out_folder = out.path()}).ok());
  EXPECT_EQ(Bf16At(TensorBytes(*worker::Checkpoint::Open(out.path()), "w"), 0), 6.0f);
}

// In BF16 all matrices are those of the checkpoint again; of blocks what they stand for, rounded.
TEST(RunConvert, AGgufFileBecomesAFolder) {
  const TempFolder files, out;
  const std::string original = worker::BundledModel("tiny-llama");
  testing::WriteGgufModel(original, files / "m.gguf");
  const absl::Status status =
      RunConvert({.model_folder = files / "m.gguf", .out_folder = out / "out"});
  ASSERT_TRUE(status.ok()) << status;
  const auto want = worker::Checkpoint::Open(original), got = worker::Checkpoint::Open(out / "out");
  ASSERT_TRUE(got.ok()) << got.status();
  ASSERT_EQ(got->tensors().size(), want->tensors().size());
  for (const worker::TensorInfo& tensor : want->tensors()) {
    EXPECT_EQ(got->Find(tensor.name)->shape, tensor.shape) << tensor.name;
    if (tensor.shape.size() < 2) continue;  // F32 in the file
    EXPECT_EQ(TensorBytes(*got, tensor.name), TensorBytes(*want, tensor.name)) << tensor.name;
  }
  const auto model = ReadModelSpec(out / "out");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->rope().divisors().divisors_size(), 8);
  const auto tokenizer = text::Tokenizer::FromFiles(out / "out");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->Encode("Hello there", {}).value(),
            (*text::Tokenizer::FromFiles(original))->Encode("Hello there", {}).value());
}

TEST(RunConvert, BlocksOfAGgufFileAreRoundedToBf16) {
  const TempFolder files, out;
  testing::WriteGgufModel(worker::BundledModel("tiny-qwen2"), files / "m.gguf",
                          [](const std::string&, int64_t, const std::vector<float>& values) {
                            std::string bytes;
                            for (size_t block = 0; block < values.size() / 32; ++block) {
                              bytes += std::string("\x01\x3c", 2);  // F16: 1 + 2^-10
                              for (int i = 0; i < 32; ++i) bytes += char(i - 16);
                            }
                            return testing::StoredMatrix{8, bytes};
                          });
  const absl::Status status =
      RunConvert({.model_folder = files / "m.gguf", .out_folder = out / "out"});
  ASSERT_TRUE(status.ok()) << status;
  const auto got = worker::Checkpoint::Open(out / "out");
  ASSERT_TRUE(got.ok()) << got.status();
  const std::string bytes = TensorBytes(*got, "model.layers.1.mlp.down_proj.weight");
  for (int i = 0; i < 64; ++i) EXPECT_EQ(Bf16At(bytes, i), float(i % 32 - 16)) << i;
  EXPECT_EQ(ReadModelSpec(out / "out")->gguf_type(), "");
}

TEST(RunConvert, HalvesOfTheLatentsProjectionAreRefused) {
  TempFolder files;
  testing::WriteMlaGgufModel(worker::BundledModel("tiny-deepseek-v2-lite"), files / "m.gguf");
  const absl::Status status =
      RunConvert({.model_folder = files / "m.gguf", .out_folder = files / "out"});
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << status;
  EXPECT_THAT(std::string(Message(status)), HasSubstr("m.gguf: has kv_b_proj in halves"));
}

TEST(RunConvert, GgufFilesOfGemmaAreRefused) {
  const TempFolder files, out;
  testing::WriteGgufModel(worker::BundledModel("tiny-gemma3"), files / "m.gguf");
  const absl::Status status =
      RunConvert({.model_folder = files / "m.gguf", .out_folder = out / "out"});
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << status;
}

struct BadModel {
  const char* what;
  std::string config;
  std::vector<TestTensor> tensors;
  absl::StatusCode code;
  const char* message;
};

TestTensor Ones(const char* name) {
  return worker::CountingTensor(name, FileDtype::kF8E4m3, {2, 2});
}
TestTensor Scale(const char* name, float value = 1) {
  return TensorOf<float>(name, FileDtype::kF32, {1, 1}, {value});
}

const BadModel kBadModels[] = {
    {"NaN scale",
     std::string(kFp8Config),
     {Ones("w"), Scale("w_scale_inv", std::nanf(""))},
     absl::StatusCode::kInvalidArgument,
     "\"w_scale_inv\": the scale of block [0, 0] is nan"},
    {"negative scale",
     std::string(kFp8Config),
     {Ones("w"), Scale("w_scale_inv", -1)},
     absl::StatusCode::kInvalidArgument,
     "\"w_scale_inv\": the scale of block [0, 0] is -1"},
    {"no scale",
     std::string(kFp8Config),
     {Ones("w")},
     absl::StatusCode::kInvalidArgument,
     "\"w\" has no \"w_scale_inv\""},
    {"scale of nothing",
     std::string(kFp8Config),
     {Scale("w_scale_inv")},
     absl::StatusCode::kInvalidArgument,
     "\"w_scale_inv\" scales no FP8 tensor"},
    {"scale of another shape",
     std::string(kFp8Config),
     {Ones("w"), TensorOf<float>("w_scale_inv", FileDtype::kF32, {2, 1}, {1, 1})},
     absl::StatusCode::kInvalidArgument,
     "\"w_scale_inv\": shape [2, 1], but a weight of [2, 2] has [1, 1]"},
    {"scale of another type",
     std::string(kFp8Config),
     {Ones("w"), worker::CountingTensor("w_scale_inv", FileDtype::kI32, {1, 1})},
     absl::StatusCode::kInvalidArgument,
     "\"w_scale_inv\": scales must be F32 or F8_E8M0, not I32"},
    {"FP8 vector",
     std::string(kFp8Config),
     {worker::CountingTensor("w", FileDtype::kF8E4m3, {4}), Scale("w_scale_inv")},
     absl::StatusCode::kInvalidArgument,
     "\"w\": [4] is no matrix"},
    {"not quantised",
     "{}",
     {Ones("w")},
     absl::StatusCode::kInvalidArgument,
     "config.json: has no quantization_config"},
    {"other method",
     R"({"quantization_config":{"quant_method":"gptq"}})",
     {Ones("w")},
     absl::StatusCode::kUnimplemented,
     "quant_method \"gptq\""},
    {"other blocks",
     R"({"quantization_config":{"quant_method":"fp8","weight_block_size":[64,64]}})",
     {Ones("w")},
     absl::StatusCode::kUnimplemented,
     "weight_block_size [64,64]"},
    {"config no JSON",
     "{",
     {Ones("w")},
     absl::StatusCode::kInvalidArgument,
     "config.json: malformed"},
};

TEST(RunConvert, RefusesEachFaultByNameAndLeavesNothing) {
  for (const BadModel& bad : kBadModels) {
    TempFolder model, out;
    worker::WriteText(model / "config.json", bad.config);
    worker::WriteTensors(model / "model.safetensors", bad.tensors);
    const absl::Status status =
        RunConvert({.model_folder = model.path(), .out_folder = out / "out"});
    EXPECT_EQ(status.code(), bad.code) << bad.what << ": " << status;
    EXPECT_THAT(std::string(Message(status)), HasSubstr(bad.message)) << bad.what;
    EXPECT_TRUE(fs::is_empty(out.path())) << bad.what;
  }
}

TEST(RunConvert, OtherTargetsAreRefused) {
  TempFolder out;
  EXPECT_EQ(RunConvert({.model_folder = kTinyR1, .to = "int4", .out_folder = out / "out"}).code(),
            absl::StatusCode::kUnimplemented);
}

TEST(RunConvert, CancelLeavesNothing) {
  TempFolder out;
  const std::atomic<bool> cancel = true;
  EXPECT_EQ(
      RunConvert({.model_folder = kTinyR1, .out_folder = out / "out", .cancel = &cancel}).code(),
      absl::StatusCode::kCancelled);
  EXPECT_TRUE(fs::is_empty(out.path()));
}

TEST(RunConvert, DoesNotTouchAnExistingFolder) {
  TempFolder out;
  worker::WriteText(out / "precious", "data");
  EXPECT_EQ(RunConvert({.model_folder = kTinyR1, .out_folder = out.path()}).code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(*ReadFile(out / "precious", 100), "data");
}

}  // namespace
}  // namespace switchyard::cli
