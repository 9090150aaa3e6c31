// Metadata of GGUF files become configs of the families that they are of.
#include "coordinator/core/plan/gguf_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/core/plan/hf_config.h"
#include "tests/base/gguf_writer.h"

namespace switchyard::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

GgufWriter Llama() {
  GgufWriter writer;
  writer.Text("general.architecture", "llama");
  writer.U32("llama.block_count", 2);
  writer.U32("llama.context_length", 2048);
  writer.U32("llama.embedding_length", 64);
  writer.U32("llama.feed_forward_length", 128);
  writer.U32("llama.attention.head_count", 4);
  writer.U32("llama.attention.head_count_kv", 2);
  writer.F32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  writer.F32("llama.rope.freq_base", 5e5f);
  return writer;
}

void AddEmbedding(GgufWriter& writer, uint32_t type = 0, int64_t bytes_of_row = 256) {
  writer.Tensor("token_embd.weight", {10, 64}, type, std::string(size_t(10 * bytes_of_row), 'e'));
}

absl::StatusOr<Json> Config(const GgufWriter& writer, std::vector<float> divisors = {}) {
  const std::string bytes = writer.Bytes();
  const auto header =
      ParseGguf("f.gguf", std::as_bytes(std::span(bytes)), static_cast<int64_t>(bytes.size()));
  EXPECT_TRUE(header.ok()) << header.status();
  return GgufConfig(*header, divisors, "f.gguf");
}

v1::ModelSpec Spec(const GgufWriter& writer, std::vector<float> divisors = {}) {
  const auto config = Config(writer, std::move(divisors));
  EXPECT_TRUE(config.ok()) << config.status();
  if (!config.ok()) return {};
  const auto spec = ParseHfConfig(config->dump(), "f.gguf");
  EXPECT_TRUE(spec.ok()) << spec.status();
  return spec.value_or(v1::ModelSpec());
}

TEST(GgufConfig, ReadsLlama) {
  GgufWriter writer = Llama();
  AddEmbedding(writer);
  const v1::ModelSpec spec = Spec(writer);
  EXPECT_EQ(spec.model_type(), "llama");
  EXPECT_EQ(spec.vocab_size(), 10);
  EXPECT_EQ(spec.hidden_size(), 64);
  EXPECT_EQ(spec.num_layers(), 2);
  EXPECT_EQ(spec.num_heads(), 4);
  EXPECT_EQ(spec.gqa().num_kv_heads(), 2);
  EXPECT_EQ(spec.gqa().head_dim(), 16);
  EXPECT_EQ(spec.intermediate_size(), 128);
  EXPECT_EQ(spec.rms_norm_eps(), 1e-5);  // the decimal that F32 stands for
  EXPECT_EQ(spec.rope().theta(), 500000);
  EXPECT_TRUE(spec.tie_word_embeddings());
  EXPECT_EQ(spec.dtype(), v1::DATA_TYPE_F32);
  EXPECT_EQ(spec.gguf_type(), "");
}

TEST(GgufConfig, NamesTheTypeOfMostBytes) {
  GgufWriter writer = Llama();
  AddEmbedding(writer, /*F16*/ 1, 128);
  writer.Tensor("output.weight", {100, 64}, /*Q8_0*/ 8, std::string(100 * 68, 'o'));
  const v1::ModelSpec spec = Spec(writer);
  EXPECT_EQ(spec.gguf_type(), "Q8_0");
  EXPECT_EQ(spec.dtype(), v1::DATA_TYPE_F16);
  EXPECT_FALSE(spec.tie_word_embeddings());
}

TEST(GgufConfig, TakesDivisorsOfTheRope) {
  GgufWriter writer = Llama();
  AddEmbedding(writer);
  const v1::ModelSpec spec = Spec(writer, {1, 1, 1, 1, 1, 2.5, 8, 8});
  EXPECT_THAT(spec.rope().divisors().divisors(), ElementsAre(1, 1, 1, 1, 1, 2.5, 8, 8));
  const auto config = Config(writer, {1, 8});
  ASSERT_TRUE(config.ok());
  EXPECT_THAT(std::string(ParseHfConfig(config->dump()).status().message()),
              HasSubstr("rope_scaling.divisors: 2 of them, must be 8"));
}

TEST(GgufConfig, NamesAllMissingKeysAndUnknownArchitectures) {
  GgufWriter writer;
  writer.Text("general.architecture", "llama");
  writer.U32("llama.block_count", 2);
  const absl::Status missing = Config(writer).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kInvalidArgument);
  for (const char* name :
       {"f.gguf: ", "key llama.context_length is missing", "key llama.embedding_length is missing",
        "\"token_embd.weight\" is missing", "key llama.feed_forward_length is missing"}) {
    EXPECT_THAT(std::string(missing.message()), HasSubstr(name));
  }
  GgufWriter other;
  other.Text("general.architecture", "mamba");
  const absl::Status unknown = Config(other).status();
  EXPECT_EQ(unknown.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(unknown.message()),
              HasSubstr("general.architecture = \"mamba\": not read, known: deepseek2, gemma3"));
  GgufWriter heads = Llama();
  AddEmbedding(heads);
  heads.U32("llama.rope.dimension_count", 8);
  EXPECT_THAT(std::string(Config(heads).status().message()),
              HasSubstr("llama.rope.dimension_count = 8: not supported, only 16"));
}

TEST(GgufConfig, EndsAnswersAtTheTokensOfChatModels) {
  GgufWriter writer = Llama();
  writer.Texts("tokenizer.ggml.tokens", {"a", "</s>", "<|im_end|>", "<|eot_id|>", "b"});
  writer.Ints("tokenizer.ggml.token_type", {1, 3, 3, 1, 1});  // "<|eot_id|>" is a text here
  writer.U32("tokenizer.ggml.eos_token_id", 1);
  writer.U32("tokenizer.ggml.eot_token_id", 77);  // no token
  AddEmbedding(writer);
  const auto config = Config(writer);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT((*config)["eos_token_id"], ElementsAre(1, 2));
}

}  // namespace
}  // namespace switchyard::core
