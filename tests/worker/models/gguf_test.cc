// GGUF files of the bundled checkpoints answer as those do, bit for bit where the types are the
// same.
#include "base/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "base/json.h"
#include "base/random.h"
#include "coordinator/core/plan/rank_memory.h"
#include "kernels/dtype.h"
#include "tests/testing/gguf_model.h"
#include "tests/testing/golden.h"
#include "tests/testing/prompt_runner.h"
#include "tests/worker/weights/checkpoint_files.h"
#include "worker/weights/gguf_blocks.h"
#include "worker/weights/manifest.h"

namespace switchyard::testing {
namespace {

using ::testing::HasSubstr;

struct Layout {
  int dp = 1;
  int tp = 1;
  v1::ComputeMode compute = v1::COMPUTE_MODE_BF16;
  v1::WeightForm weights = v1::WEIGHT_FORM_STORED;
  bool verify = false;  // against the digests beside the file
};

std::vector<PromptJob> Jobs(const std::string& model) {
  std::vector<PromptJob> jobs;
  for (const GoldenCase& golden : ReadGoldenCases(worker::BundledModel(model))) {
    if (golden.prompt_tokens.size() > 100) continue;
    jobs.push_back({golden.prompt_tokens, 12});
    if (jobs.size() == 4) break;
  }
  return jobs;
}

std::vector<PromptAnswer> Answers(const std::string& path, const std::string& model,
                                  const Layout& layout) {
  const auto runner = PromptRunner::Create({.model_path = path,
                                            .data_parallel = layout.dp,
                                            .tensor_parallel = layout.tp,
                                            .compute = layout.compute,
                                            .weights = layout.weights,
                                            .verify = layout.verify},
                                           {.batch = 4, .max_tokens = 256, .longest = 128});
  EXPECT_TRUE(runner.ok()) << runner.status();
  if (!runner.ok()) return {};
  const cli::LocalEngine& engine = (*runner)->engine();
  const core::RankMemory planned =
      core::MemoryOfRank(engine.plan(), 0, {.backend = core::BackendKind::kCpu});
  EXPECT_EQ(planned.weights.Total() + planned.rope_table, engine.executor(0).weight_bytes());
  const auto answers = (*runner)->Run(Jobs(model), {.chunk = 64, .batch = 4, .end_token = -1});
  EXPECT_TRUE(answers.ok()) << answers.status();
  return answers.value_or(std::vector<PromptAnswer>());
}

void ExpectSameBits(const std::vector<PromptAnswer>& got, const std::vector<PromptAnswer>& want) {
  ASSERT_EQ(got.size(), want.size());
  ASSERT_FALSE(got.empty());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].generated, want[i].generated) << i;
    EXPECT_EQ(got[i].rows, want[i].rows) << i;
  }
}

// A bundled model with some fields of its config replaced.
std::string ModelWith(const worker::TempFolder& folder, const std::string& model,
                      const Json& fields) {
  const std::string from = worker::BundledModel(model);
  for (const auto& entry : std::filesystem::directory_iterator(from)) {
    if (entry.is_regular_file() && entry.path().filename() != "config.json") {
      std::filesystem::create_symlink(entry.path(), folder / entry.path().filename().string());
    }
  }
  Json config = *ParseJson(*ReadFile(from + "/config.json", 1 << 20));
  config.update(fields);
  worker::WriteText(folder / "config.json", config.dump());
  return folder.path();
}

class GgufFamilyTest : public ::testing::TestWithParam<const char*> {};

TEST_P(GgufFamilyTest, AnswersAreThoseOfTheCheckpoint) {
  const worker::TempFolder folder, files;
  const std::string model = GetParam();
  // Files have the divisors that "llama3" makes, rounded; Gemma's scale is that of its heads.
  Json fields = Json::object();
  if (model == "tiny-llama") fields["rope_scaling"] = nullptr;
  if (model == "tiny-gemma3") fields["query_pre_attn_scalar"] = 32;
  const std::string from = ModelWith(folder, model, fields);
  const std::string path = files / "model.gguf";
  WriteGgufModel(from, path);
  for (const auto compute : {v1::COMPUTE_MODE_F32, v1::COMPUTE_MODE_BF16}) {
    ExpectSameBits(Answers(path, model, {.compute = compute}),
                   Answers(from, model, {.compute = compute}));
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GgufFamilyTest,
                         ::testing::Values("tiny-llama", "tiny-qwen2", "tiny-qwen3-moe",
                                           "tiny-gemma3", "tiny-gpt-oss", "tiny-deepseek-v2-lite"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST(GgufTest, DivisorsOfTheRopeAreThoseOfLlama3) {
  const worker::TempFolder files;
  const std::string path = files / "model.gguf";
  const std::string folder = worker::BundledModel("tiny-llama");
  WriteGgufModel(folder, path);
  const auto got = Answers(path, "tiny-llama", {.compute = v1::COMPUTE_MODE_F32});
  const auto want = Answers(folder, "tiny-llama", {.compute = v1::COMPUTE_MODE_F32});
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].generated, want[i].generated);
    for (size_t row = 0; row < want[i].rows.size(); ++row) {
      for (size_t j = 0; j < want[i].rows[row].size(); ++j) {
        ASSERT_NEAR(got[i].rows[row][j], want[i].rows[row][j], 1.12e-3) << i << " " << row;
      }
    }
  }
}

TEST(GgufTest, OtherTypesAndLayoutsGiveTheSameBits) {
  const worker::TempFolder files;
  const std::string folder = worker::BundledModel("tiny-llama");
  const std::string bf16 = files / "bf16.gguf", f16 = files / "f16.gguf", f32 = files / "f32.gguf";
  WriteGgufModel(folder, bf16);
  WriteGgufModel(folder, f16, AsF16);
  WriteGgufModel(folder, f32, AsF32);
  const auto want = Answers(bf16, "tiny-llama", {});
  ExpectSameBits(Answers(bf16, "tiny-llama", {.dp = 2, .tp = 2}), want);
  ExpectSameBits(Answers(bf16, "tiny-llama", {.tp = 4}), want);
  ExpectSameBits(Answers(f32, "tiny-llama", {}), want);  // the values of BF16
  EXPECT_FALSE(Answers(f16, "tiny-llama", {}).empty());
}

// --- quantised ---

constexpr uint32_t kQ40 = 2, kQ41 = 3, kQ80 = 8, kQ4K = 12, kQ5K = 13, kQ6K = 14;

const GgufType& TypeOf(const char* name) { return *FindGgufType(name); }

// Random blocks of the type where rows are of whole ones, else of Q8_0. Values are about as large
// as the checkpoint's; of 8 bits no code is 127, so that quantising again would make others.
StoredMatrix Drawn(const GgufType& wanted, const std::string& name, int64_t columns,
                   const std::vector<float>& values) {
  const GgufType& type = columns % wanted.block_elements == 0 ? wanted : TypeOf("Q8_0");
  const int64_t blocks = std::ssize(values) / type.block_elements;
  std::string bytes(static_cast<size_t>(blocks * type.block_bytes), '\0');
  const uint64_t seed = std::hash<std::string>()(name);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = char(RandomBits(seed, i) % 101);
  const auto put = [&](int64_t block, int64_t at, float value) {
    const kernels::F16 scale = kernels::ToF16(value);
    std::memcpy(bytes.data() + block * type.block_bytes + at, &scale, sizeof(scale));
  };
  const bool whole = type.block_elements == 32;
  for (int64_t block = 0; block < blocks; ++block) {
    const float draw = 1 + float(RandomBits(seed + 1, uint64_t(block)) % 64) / 64;
    const float code = type.id == kQ80 ? 60 : whole ? 5 : type.id == kQ6K ? 2000 : 500;
    put(block, type.id == kQ6K ? 208 : 0, 0.06f * draw / code);
    if (type.id == kQ41 || type.id == kQ4K || type.id == kQ5K) {
      put(block, 2, (type.id == kQ41 ? -0.06f : 0.03f) * draw / (type.id == kQ41 ? 1 : 40));
    }
  }
  return {type.id, bytes};
}

// The values that those blocks stand for, as F32.
StoredMatrix Widened(const StoredMatrix& stored, size_t count) {
  const GgufType& type = *FindGgufType(stored.type);
  std::vector<float> values(count);
  EXPECT_TRUE(worker::WidenBlocks(type, reinterpret_cast<const std::byte*>(stored.bytes.data()),
                                  int64_t(count) / type.block_elements, values.data()));
  return AsF32("", 1, values);
}

struct Files {
  std::string quantised, widened;
};
// Of tiny-qwen2: `choose` names the type of a tensor.
Files WriteQuantised(const worker::TempFolder& folder,
                     const std::function<const char*(const std::string& name)>& choose) {
  const Files files{folder / "quantised.gguf", folder / "widened.gguf"};
  const std::string model = worker::BundledModel("tiny-qwen2");
  const auto drawn = [&](const std::string& name, int64_t columns,
                         const std::vector<float>& values) {
    return Drawn(TypeOf(choose(name)), name, columns, values);
  };
  WriteGgufModel(model, files.quantised, drawn);
  WriteGgufModel(model, files.widened,
                 [&](const std::string& name, int64_t columns, const std::vector<float>& values) {
                   return Widened(drawn(name, columns, values), values.size());
                 });
  return files;
}

class GgufQuantisedTest : public ::testing::TestWithParam<const char*> {};

TEST_P(GgufQuantisedTest, AnswersAreThoseOfTheValuesThatBlocksStandFor) {
  const worker::TempFolder folder;
  const std::string type = GetParam();
  const Files files = WriteQuantised(folder, [&](const std::string& name) {
    if (type != "mixed") return GetParam();
    return name.find("gate_proj") != std::string::npos ? "Q4_0" : "Q8_0";
  });
  const auto want = Answers(files.widened, "tiny-qwen2", {});
  ExpectSameBits(Answers(files.quantised, "tiny-qwen2", {}), want);
  ExpectSameBits(Answers(files.quantised, "tiny-qwen2", {.dp = 2, .tp = 2}), want);
  const Layout f32{.compute = v1::COMPUTE_MODE_F32};
  ExpectSameBits(Answers(files.quantised, "tiny-qwen2", f32),
                 Answers(files.widened, "tiny-qwen2", f32));
}

INSTANTIATE_TEST_SUITE_P(Types, GgufQuantisedTest,
                         ::testing::Values("Q8_0", "Q4_0", "Q4_1", "Q4_K", "Q5_K", "Q6_K", "mixed"),
                         [](const auto& info) { return std::string(info.param); });

TEST(GgufTest, WholeNumbersAreMultipliedAsTheyAre) {
  const worker::TempFolder folder;
  for (const auto& [type, form] :
       {std::pair("Q8_0", v1::WEIGHT_FORM_Q8), std::pair("Q4_0", v1::WEIGHT_FORM_Q4),
        std::pair("Q4_0", v1::WEIGHT_FORM_Q8)}) {
    SCOPED_TRACE(type);
    const Files files = WriteQuantised(folder, [&](const std::string&) { return type; });
    const auto got = Answers(files.quantised, "tiny-qwen2", {.weights = form});
    ExpectSameBits(Answers(files.quantised, "tiny-qwen2", {.dp = 2, .tp = 2, .weights = form}),
                   got);
    // From the values the loader would make other codes, with scales of its own.
    const auto again = Answers(files.widened, "tiny-qwen2", {.weights = form});
    ASSERT_FALSE(again.empty());
    EXPECT_NE(got[0].rows, again[0].rows);
  }
}

TEST(GgufTest, HalvesOfTheLatentsProjectionAreTheWhole) {
  const worker::TempFolder files;
  const std::string model = "tiny-deepseek-v2-lite", folder = worker::BundledModel(model);
  const std::string path = files / "halves.gguf";
  WriteMlaGgufModel(folder, path);
  for (const auto compute : {v1::COMPUTE_MODE_F32, v1::COMPUTE_MODE_BF16}) {
    const auto want = Answers(folder, model, {.compute = compute});
    ExpectSameBits(Answers(path, model, {.compute = compute}), want);
    ExpectSameBits(Answers(path, model, {.dp = 2, .tp = 2, .compute = compute}), want);
  }
}

TEST(GgufTest, PartsOfASplitFileAreOne) {
  const worker::TempFolder files;
  for (const char* model : {"tiny-llama", "tiny-qwen3-moe"}) {
    const std::string folder = worker::BundledModel(model);
    const std::string whole = files / "model.gguf";
    WriteGgufModel(folder, whole);
    const std::string parts = WriteSplitGgufModel(folder, files / model, 3);
    ExpectSameBits(Answers(parts, model, {.tp = 2}), Answers(whole, model, {}));
  }
}

TEST(GgufTest, LoadsAgainstDigests) {
  const worker::TempFolder folder;
  const std::string path = folder / "model.gguf";
  WriteGgufModel(worker::BundledModel("tiny-llama"), path);
  const auto checkpoint = worker::Checkpoint::Open(path);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  const auto manifest = worker::Manifest::Compute(*checkpoint, {});
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  ASSERT_TRUE(manifest->Write(*checkpoint).ok());
  ExpectSameBits(Answers(path, "tiny-llama", {.tp = 2, .verify = true}),
                 Answers(path, "tiny-llama", {}));
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  const int64_t place = checkpoint->Find("model.layers.1.self_attn.q_proj.weight")->offset + 1000;
  file.seekp(place);
  file.put('\x11');
  file.close();
  const auto runner =
      PromptRunner::Create({.model_path = path, .verify = true}, {.batch = 1, .longest = 64});
  EXPECT_EQ(runner.status().code(), absl::StatusCode::kDataLoss) << runner.status();
  EXPECT_THAT(std::string(runner.status().message()), HasSubstr("layers.1.self_attn.q_proj"));
}

TEST(GgufTest, ScalesThatAreNoNumbersEndLoading) {
  const worker::TempFolder folder;
  const std::string path = folder / "model.gguf";
  WriteGgufModel(worker::BundledModel("tiny-qwen2"), path,
                 [](const std::string& name, int64_t columns, const std::vector<float>& values) {
                   StoredMatrix stored = Drawn(TypeOf("Q8_0"), name, columns, values);
                   if (name == "model.layers.1.mlp.down_proj.weight") {
                     stored.bytes[34 * 12 + 1] = '\x7c';  // of row 1
                   }
                   return stored;
                 });
  const auto runner = PromptRunner::Create({.model_path = path}, {.batch = 1, .longest = 64});
  EXPECT_EQ(runner.status().code(), absl::StatusCode::kInvalidArgument) << runner.status();
  EXPECT_THAT(
      std::string(runner.status().message()),
      HasSubstr("model.layers.1.mlp.down_proj.weight: row 1 has a scale that is no finite"));
}

}  // namespace
}  // namespace switchyard::testing
