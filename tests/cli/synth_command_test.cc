#include "cli/synth_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/file.h"
#include "base/json.h"
#include "cli/convert_command.h"
#include "coordinator/core/plan/hf_config.h"
#include "coordinator/core/plan/rank_memory.h"
#include "coordinator/core/plan/sharding_planner.h"
#include "kernels/dtype.h"
#include "tests/cli/checkpoint_digest.h"
#include "worker/weights/decoder_tensors.h"

namespace switchyard::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using worker::Checkpoint;
using worker::FileDtype;
using worker::kTinyR1;
using worker::TempFolder;

const std::string kConfig = kTinyR1 + "/config.json";

// The bundled model's shape, made up into `folder`.
Checkpoint Synth(const TempFolder& folder, SynthOptions options) {
  options.config_path = kConfig;
  options.out_folder = folder / "out";
  const absl::Status status = RunSynth(options);
  EXPECT_TRUE(status.ok()) << status;
  auto checkpoint = Checkpoint::Open(folder / "out");
  EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
  return checkpoint.ok() ? *std::move(checkpoint) : Checkpoint();
}

std::vector<float> Bf16Values(const Checkpoint& checkpoint, std::string_view name) {
  const std::string bytes = TensorBytes(checkpoint, name);
  std::vector<float> values(bytes.size() / 2);
  for (size_t i = 0; i < values.size(); ++i) {
    uint16_t bits;
    std::memcpy(&bits, bytes.data() + 2 * i, sizeof(bits));
    values[i] = kernels::ToFloat(kernels::Bf16(bits));
  }
  return values;
}

double Deviation(const std::vector<float>& values, double mean) {
  double squares = 0;
  for (float value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / double(values.size()));
}

TEST(RunSynth, Fp8HasTheTensorsOfThePublishedLayout) {
  TempFolder folder;
  const Checkpoint made = Synth(folder, {.dtype = "fp8", .shard_bytes = 6'000'000});
  auto bundled = Checkpoint::Open(kTinyR1);
  ASSERT_TRUE(bundled.ok());
  ASSERT_EQ(made.tensors().size(), bundled->tensors().size());
  for (size_t i = 0; i < made.tensors().size(); ++i) {
    EXPECT_EQ(made.tensors()[i].name, bundled->tensors()[i].name);
    EXPECT_EQ(made.tensors()[i].dtype, bundled->tensors()[i].dtype);
    EXPECT_EQ(made.tensors()[i].shape, bundled->tensors()[i].shape);
  }
  EXPECT_EQ(made.files().size(), 4u);  // 23.5 MB
}

TEST(RunSynth, SameSeedSameBytesWithAnyNumberOfThreads) {
  for (const char* dtype : {"bf16", "fp8"}) {
    TempFolder one, three, other;
    const std::string digest =
        CheckpointDigest(Synth(one, {.dtype = dtype, .seed = 5, .num_threads = 1}));
    EXPECT_EQ(CheckpointDigest(Synth(
                  three, {.dtype = dtype, .seed = 5, .shard_bytes = 1'000'000, .num_threads = 3})),
              digest);
    EXPECT_NE(CheckpointDigest(Synth(other, {.dtype = dtype, .seed = 6})), digest);
  }
}

TEST(RunSynth, Fp8IsTheBf16CheckpointQuantised) {
  TempFolder fp8_folder, bf16_folder, converted_folder;
  Synth(fp8_folder, {.dtype = "fp8", .seed = 2});
  const Checkpoint bf16 = Synth(bf16_folder, {.dtype = "bf16", .seed = 2});
  ASSERT_TRUE(
      RunConvert({.model_folder = fp8_folder / "out", .out_folder = converted_folder / "out"})
          .ok());
  auto converted = Checkpoint::Open(converted_folder / "out");
  ASSERT_TRUE(converted.ok());
  ASSERT_EQ(converted->tensors().size(), bf16.tensors().size());
  const char* name = "model.layers.2.mlp.experts.7.down_proj.weight";
  const std::vector<float> exact = Bf16Values(bf16, name);
  const std::vector<float> rounded = Bf16Values(*converted, name);
  ASSERT_EQ(exact.size(), rounded.size());
  for (size_t i = 0; i < exact.size(); ++i) {
    // Half a step of e4m3 and half a step of bf16, relative; or half of the smallest step of the
    // block.
    ASSERT_NEAR(rounded[i], exact[i], std::fabs(exact[i]) * 0.068 + 1e-6) << i;
  }
}

TEST(RunSynth, ValuesSuitTheirTensors) {
  TempFolder folder;
  const Checkpoint made = Synth(folder, {.dtype = "bf16"});
  EXPECT_NEAR(Deviation(Bf16Values(made, "model.layers.0.mlp.down_proj.weight"), 0),
              1 / std::sqrt(640.0), 1e-3);
  EXPECT_NEAR(Deviation(Bf16Values(made, "model.embed_tokens.weight"), 0), 1, 1e-2);
  EXPECT_NEAR(Deviation(Bf16Values(made, "model.norm.weight"), 1), 0.1, 0.02);
  const std::string bias = TensorBytes(made, "model.layers.1.mlp.gate.e_score_correction_bias");
  ASSERT_EQ(bias.size(), 32 * sizeof(float));
  for (int i = 0; i < 32; ++i) {
    float value;
    std::memcpy(&value, bias.data() + i * sizeof(value), sizeof(value));
    EXPECT_LT(std::fabs(value), 0.04f);
  }
}

TEST(RunSynth, TheMtpBlockRepeatsEmbeddingAndHead) {
  TempFolder folder;
  const Checkpoint made = Synth(folder, {.dtype = "fp8"});
  EXPECT_EQ(TensorBytes(made, "model.layers.4.embed_tokens.weight"),
            TensorBytes(made, "model.embed_tokens.weight"));
  EXPECT_EQ(TensorBytes(made, "model.layers.4.shared_head.head.weight"),
            TensorBytes(made, "lm_head.weight"));
  EXPECT_NE(TensorBytes(made, "model.layers.1.mlp.gate.weight"),
            TensorBytes(made, "model.layers.2.mlp.gate.weight"));
}

TEST(RunSynth, TheSparseFormHasTheHeadersOfTheFullForm) {
  for (const char* dtype : {"bf16", "fp8"}) {
    TempFolder full_folder, sparse_folder;
    const Checkpoint full = Synth(full_folder, {.dtype = dtype, .shard_bytes = 3'000'000});
    const Checkpoint sparse =
        Synth(sparse_folder, {.dtype = dtype, .shard_bytes = 3'000'000, .sparse = true});
    EXPECT_GT(full.files().size(), 5u);
    ASSERT_EQ(sparse.files().size(), full.files().size());
    for (size_t i = 0; i < full.files().size(); ++i) {
      EXPECT_EQ(fs::path(sparse.files()[i]).filename(), fs::path(full.files()[i]).filename());
      EXPECT_EQ(fs::file_size(sparse.files()[i]), fs::file_size(full.files()[i]));
    }
    ASSERT_EQ(sparse.tensors().size(), full.tensors().size());
    for (size_t i = 0; i < full.tensors().size(); ++i) {
      const worker::TensorInfo &a = sparse.tensors()[i], &b = full.tensors()[i];
      EXPECT_EQ(a.name, b.name);
      EXPECT_EQ(a.dtype, b.dtype) << a.name;
      EXPECT_EQ(a.shape, b.shape) << a.name;
      EXPECT_EQ(a.file, b.file) << a.name;
      EXPECT_EQ(a.offset, b.offset) << a.name;
    }
    EXPECT_EQ(ReadFile(sparse_folder / "out/config.json", 100'000).value(),
              ReadFile(full_folder / "out/config.json", 100'000).value());
  }
}

TEST(RunSynth, TheSparseFormHasWhatIsSmallAndScalesThatHoldEveryWeight) {
  TempFolder full_folder, sparse_folder, filled_folder;
  const Checkpoint full = Synth(full_folder, {.dtype = "fp8", .seed = 3});
  const Checkpoint sparse = Synth(sparse_folder, {.dtype = "fp8", .seed = 3, .sparse = true});
  const Checkpoint filled = Synth(
      filled_folder,
      {.dtype = "fp8", .seed = 3, .sparse = true, .fill = {"*.layers.1.*", "*.9.up_proj.weight"}});
  for (const worker::TensorInfo& tensor : full.tensors()) {
    const std::string real = TensorBytes(full, tensor.name);
    const std::string bytes = TensorBytes(sparse, tensor.name);
    const bool asked = tensor.name.find(".layers.1.") != std::string::npos ||
                       tensor.name.find(".9.up_proj.weight") != std::string::npos;
    EXPECT_EQ(TensorBytes(filled, tensor.name), asked ? real : bytes) << tensor.name;
    if (tensor.dtype == FileDtype::kF8E4m3) {
      EXPECT_EQ(bytes, std::string(bytes.size(), '\0')) << tensor.name;
    } else if (tensor.name.ends_with(worker::kScaleSuffix)) {
      const auto* real_scales = reinterpret_cast<const float*>(real.data());
      const auto* scales = reinterpret_cast<const float*>(bytes.data());
      for (size_t i = 0; i < bytes.size() / sizeof(float); ++i) {
        ASSERT_GE(scales[i], real_scales[i]) << tensor.name;
        ASSERT_LE(scales[i], 2 * real_scales[i]) << tensor.name;
      }
    } else {
      EXPECT_EQ(bytes, real) << tensor.name;
    }
  }
}

// MODEL_SPECS 1.2: what the headers of the public checkpoint say.
TEST(RunSynth, TheLargestModelIsLaidOutAsPublishedOnASmallDisk) {
  TempFolder folder;
  SynthReport report;
  const absl::Status status =
      RunSynth({.config_path = SWITCHYARD_SOURCE_DIR "/bench/shapes/v3-671b.json",
                .dtype = "fp8",
                .out_folder = folder / "out",
                .sparse = true},
               &report);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(report.num_tensors, 91'991);
  EXPECT_EQ(report.num_bytes, 688'574'839'360);
  EXPECT_EQ(report.num_files, 163);
  EXPECT_LT(report.disk_bytes, 600'000'000);
  const auto checkpoint = Checkpoint::Open(folder / "out");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(std::ssize(checkpoint->tensors()), report.num_tensors);
  EXPECT_EQ(checkpoint->num_bytes(), report.num_bytes);
  EXPECT_EQ(std::ssize(checkpoint->files()), report.num_files);
  EXPECT_TRUE(checkpoint->files().back().ends_with("/model-00163-of-000163.safetensors"));
}

// Matrices of 16 GiB in one file of over 1 TiB: as large on paper, in the header and in the plan.
TEST(RunSynth, TensorsOver4GiBAndFilesOver1TiBAreLaidOutAndPlanned) {
  TempFolder folder;
  Json config = *ParseJson(*ReadFile(SWITCHYARD_SOURCE_DIR "/bench/shapes/v3-671b.json", 100'000));
  config["hidden_size"] = 16384;
  config["moe_intermediate_size"] = 524'288;
  config["n_routed_experts"] = 8;
  config["n_group"] = 1;
  config["topk_group"] = 1;
  config["num_hidden_layers"] = 6;
  config["num_nextn_predict_layers"] = 0;
  worker::WriteText(folder / "config.json", config.dump());
  SynthReport report;
  const absl::Status status = RunSynth({.config_path = folder / "config.json",
                                        .out_folder = folder / "out",
                                        .shard_bytes = int64_t{4} << 40,
                                        .sparse = true},
                                       &report);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(report.num_files, 1);
  EXPECT_LT(report.disk_bytes, 10'000'000);

  const auto checkpoint = Checkpoint::Open(folder / "out");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  const int64_t matrix = int64_t{2} * 16384 * 524'288;
  const worker::TensorInfo* expert =
      checkpoint->Find("model.layers.5.mlp.experts.7.down_proj.weight");
  ASSERT_NE(expert, nullptr);
  EXPECT_EQ(expert->num_bytes, matrix);
  EXPECT_GT(checkpoint->num_bytes(), int64_t{1} << 40);

  const auto model = core::ParseHfConfig(*ReadFile(folder / "out/config.json", 100'000));
  ASSERT_TRUE(model.ok()) << model.status();
  const core::WeightBytes whole = core::CheckpointBytes(*model);
  EXPECT_EQ(whole.Total(), checkpoint->num_bytes());
  EXPECT_EQ(whole.routed_experts, 3 * 8 * 3 * matrix);
  const auto plan = core::MakeShardPlan(*model, {.data_parallel = 8, .kv_num_blocks = 1024});
  ASSERT_TRUE(plan.ok()) << plan.status();
  const core::RankMemory rank = core::MemoryOfRank(*plan, 7, {});
  EXPECT_EQ(rank.weights.routed_experts, 3 * 3 * matrix);
  EXPECT_EQ(rank.weights.shared_experts, 3 * 3 * matrix);
  EXPECT_EQ(rank.weights.embedding, 129'280 * int64_t{16384} * 2);
}

TEST(RunSynth, TheConfigSaysWhatTheTensorsAre) {
  for (const char* dtype : {"bf16", "fp8"}) {
    TempFolder folder;
    Synth(folder, {.dtype = dtype, .tokenizer_folder = kTinyR1});
    auto model = core::ParseHfConfig(*ReadFile(folder / "out/config.json", 100'000));
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_EQ(model->has_fp8(), std::string(dtype) == "fp8");
    EXPECT_TRUE(fs::exists(folder / "out/tokenizer.json"));
  }
}

TEST(RunSynth, Fp8IsDeclaredWhereTheConfigDidNot) {
  TempFolder folder;
  Json config = *ParseJson(*ReadFile(kConfig, 100'000));
  config.erase("quantization_config");
  worker::WriteText(folder / "config.json", config.dump());
  ASSERT_TRUE(
      RunSynth(
          {.config_path = folder / "config.json", .dtype = "fp8", .out_folder = folder / "out"})
          .ok());
  EXPECT_TRUE(core::ParseHfConfig(*ReadFile(folder / "out/config.json", 100'000))->has_fp8());
}

TEST(RunSynth, RefusesWhatItCannotMakeAndLeavesNothing) {
  TempFolder folder;
  const auto code = [&](std::string config_text, std::string dtype) {
    TempFolder config;
    worker::WriteText(config / "c.json", config_text);
    return RunSynth(
               {.config_path = config / "c.json", .dtype = dtype, .out_folder = folder / "out"})
        .code();
  };
  const std::string good = *ReadFile(kConfig, 100'000);
  EXPECT_EQ(RunSynth({.config_path = kConfig, .out_folder = folder / "out", .fill = {"*"}}).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(good, "int8"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code("{", "bf16"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code("[]", "bf16"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(R"({"model_type":"gpt2"})", "bf16"), absl::StatusCode::kUnimplemented);
  Json many_layers = *ParseJson(good);
  many_layers["num_hidden_layers"] = 4096;
  many_layers["n_routed_experts"] = 16384;
  EXPECT_EQ(code(many_layers.dump(), "bf16"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(RunSynth({.config_path = folder / "none.json", .out_folder = folder / "out"}).code(),
            absl::StatusCode::kNotFound);
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

}  // namespace
}  // namespace switchyard::cli
