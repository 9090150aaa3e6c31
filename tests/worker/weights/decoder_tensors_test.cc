#include "worker/weights/decoder_tensors.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/worker/weights/checkpoint_files.h"

namespace switchyard::worker {
namespace {

// DeepSeek-V3 / R1 as published.
v1::ModelSpec DeepseekV3() {
  v1::ModelSpec model;
  model.set_vocab_size(129280);
  model.set_hidden_size(7168);
  model.set_num_layers(61);
  model.set_num_mtp_layers(1);
  model.set_num_heads(128);
  model.set_intermediate_size(18432);
  v1::MlaSpec& mla = *model.mutable_mla();
  mla.set_q_lora_rank(1536);
  mla.set_kv_lora_rank(512);
  mla.set_qk_nope_head_dim(128);
  mla.set_qk_rope_head_dim(64);
  mla.set_v_head_dim(128);
  v1::MoeSpec& moe = *model.mutable_moe();
  moe.set_num_routed_experts(256);
  moe.set_num_shared_experts(1);
  moe.set_intermediate_size(2048);
  moe.set_first_moe_layer(3);
  return model;
}

// The bundled model's numbers.
v1::ModelSpec TinyR1() {
  v1::ModelSpec model;
  model.set_vocab_size(4096);
  model.set_hidden_size(256);
  model.set_num_layers(4);
  model.set_num_mtp_layers(1);
  model.set_num_heads(4);
  model.set_intermediate_size(640);
  v1::MlaSpec& mla = *model.mutable_mla();
  mla.set_q_lora_rank(128);
  mla.set_kv_lora_rank(128);
  mla.set_qk_nope_head_dim(64);
  mla.set_qk_rope_head_dim(32);
  mla.set_v_head_dim(64);
  v1::MoeSpec& moe = *model.mutable_moe();
  moe.set_num_routed_experts(32);
  moe.set_num_shared_experts(1);
  moe.set_intermediate_size(128);
  moe.set_first_moe_layer(1);
  return model;
}

std::vector<TensorSpec> AllStored(const v1::ModelSpec& model, bool fp8) {
  std::vector<TensorSpec> specs;
  for (const ModelTensor& tensor : DecoderTensors(model)) {
    for (TensorSpec& spec : StoredAs(tensor, fp8)) specs.push_back(std::move(spec));
  }
  return specs;
}

std::map<std::string, ModelTensor> ByName(const v1::ModelSpec& model) {
  std::map<std::string, ModelTensor> tensors;
  for (ModelTensor& tensor : DecoderTensors(model)) tensors.emplace(tensor.name, tensor);
  return tensors;
}

// What a header-only inspection of the published checkpoint counts.
TEST(DecoderTensors, CountAndBytesOfThePublishedCheckpoint) {
  const std::vector<TensorSpec> specs = AllStored(DeepseekV3(), true);
  EXPECT_EQ(specs.size(), 91'991u);
  int64_t num_bytes = 0;
  std::set<std::string> names;
  for (const TensorSpec& spec : specs) {
    num_bytes += NumBytes(spec);
    names.insert(spec.name);
  }
  EXPECT_EQ(num_bytes, 688'574'839'360);
  EXPECT_EQ(names.size(), specs.size());
}

v1::ModelSpec TinyDense(int32_t vocab, int32_t hidden, int32_t layers, int32_t width, bool bias) {
  v1::ModelSpec model;
  model.set_vocab_size(vocab);
  model.set_hidden_size(hidden);
  model.set_num_layers(layers);
  model.set_num_heads(8);
  model.set_intermediate_size(width);
  model.mutable_gqa()->set_num_kv_heads(2);
  model.mutable_gqa()->set_head_dim(hidden / 8);
  model.mutable_gqa()->set_qkv_bias(bias);
  return model;
}

TEST(DecoderTensors, NamesTypesAndShapesOfTheBundledCheckpoints) {
  const auto expect = [](const std::string& folder, const std::vector<TensorSpec>& specs) {
    SCOPED_TRACE(folder);
    auto checkpoint = Checkpoint::Open(folder);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    EXPECT_EQ(specs.size(), checkpoint->tensors().size());
    for (const TensorSpec& spec : specs) {
      const TensorInfo* stored = checkpoint->Find(spec.name);
      ASSERT_NE(stored, nullptr) << spec.name;
      EXPECT_EQ(FileDtypeName(spec.dtype), FileDtypeName(stored->dtype)) << spec.name;
      EXPECT_EQ(spec.shape, stored->shape) << spec.name;
    }
  };
  expect(kTinyR1, AllStored(TinyR1(), true));
  expect(BundledModel("tiny-qwen2"), AllStored(TinyDense(640, 256, 2, 384, true), false));
  v1::ModelSpec moe = TinyDense(896, 96, 3, 256, false);
  moe.set_num_heads(4);
  moe.mutable_gqa()->set_head_dim(32);
  moe.mutable_gqa()->set_qk_norm(true);
  moe.mutable_moe()->set_num_routed_experts(16);
  moe.mutable_moe()->set_intermediate_size(64);
  moe.mutable_moe()->set_softmax_scores(true);
  expect(BundledModel("tiny-qwen3-moe"), AllStored(moe, false));
  v1::ModelSpec gemma = TinyDense(1152, 96, 7, 192, false);
  gemma.set_num_heads(4);
  gemma.mutable_gqa()->set_num_kv_heads(1);
  gemma.mutable_gqa()->set_head_dim(32);
  gemma.mutable_gqa()->set_qk_norm(true);
  gemma.set_output_norms(true);
  gemma.set_tie_word_embeddings(true);
  expect(BundledModel("tiny-gemma3"), AllStored(gemma, false));
  v1::ModelSpec gpt_oss = TinyDense(1088, 96, 4, 64, true);
  gpt_oss.mutable_gqa()->set_head_dim(32);
  gpt_oss.mutable_gqa()->set_output_bias(true);
  gpt_oss.mutable_gqa()->set_sinks(true);
  v1::MoeSpec& experts = *gpt_oss.mutable_moe();
  experts.set_num_routed_experts(16);
  experts.set_intermediate_size(64);
  experts.set_softmax_scores(true);
  experts.set_router_bias(true);
  experts.set_fused(true);
  experts.set_mxfp4(true);
  expect(BundledModel("tiny-gpt-oss"), AllStored(gpt_oss, false));
  expect(BundledModel("tiny-llama"), AllStored(TinyDense(1000, 128, 3, 352, false), false));
}

TEST(DecoderTensors, ScalesCoverPartialBlocks) {
  for (const TensorSpec& spec : AllStored(DeepseekV3(), true)) {
    if (spec.name == "model.layers.0.self_attn.kv_a_proj_with_mqa.weight_scale_inv") {
      EXPECT_EQ(spec.shape, (TensorShape{5, 56}));  // 576 rows
      return;
    }
  }
  FAIL() << "no scales of kv_a_proj_with_mqa";
}

TEST(DecoderTensors, WithoutQueryLatentThereIsOneProjection) {
  v1::ModelSpec model = TinyR1();
  model.mutable_mla()->set_q_lora_rank(0);
  const auto tensors = ByName(model);
  EXPECT_EQ(tensors.at("model.layers.0.self_attn.q_proj.weight").shape, (TensorShape{4 * 96, 256}));
  for (const char* gone : {"q_a_proj", "q_b_proj", "q_a_layernorm"}) {
    EXPECT_FALSE(tensors.contains(fmt::format("model.layers.0.self_attn.{}.weight", gone))) << gone;
  }
}

TEST(DecoderTensors, AttentionBiasIsOnThreeLinears) {
  v1::ModelSpec model = TinyR1();
  model.mutable_mla()->set_attention_bias(true);
  std::set<std::string> biases;
  for (const auto& [name, tensor] : ByName(model)) {
    if (name.starts_with("model.layers.2.") && name.ends_with(".bias")) biases.insert(name);
  }
  EXPECT_EQ(biases, (std::set<std::string>{"model.layers.2.self_attn.q_a_proj.bias",
                                           "model.layers.2.self_attn.kv_a_proj_with_mqa.bias",
                                           "model.layers.2.self_attn.o_proj.bias"}));
  EXPECT_EQ(ByName(model).at("model.layers.2.self_attn.o_proj.bias").shape, TensorShape{256});
}

TEST(DecoderTensors, TiedEmbeddingsHaveNoHead) {
  v1::ModelSpec model = TinyR1();
  model.set_tie_word_embeddings(true);
  const auto tensors = ByName(model);
  EXPECT_FALSE(tensors.contains("lm_head.weight"));
  EXPECT_FALSE(tensors.contains("model.layers.4.shared_head.head.weight"));
  EXPECT_TRUE(tensors.contains("model.embed_tokens.weight"));
}

TEST(DecoderTensors, SharedExpertsAreOneMlpAndMayBeNone) {
  v1::ModelSpec model = TinyR1();
  model.mutable_moe()->set_num_shared_experts(2);
  EXPECT_EQ(ByName(model).at("model.layers.1.mlp.shared_experts.down_proj.weight").shape,
            (TensorShape{256, 256}));
  model.mutable_moe()->set_num_shared_experts(0);
  EXPECT_FALSE(ByName(model).contains("model.layers.1.mlp.shared_experts.down_proj.weight"));
}

TEST(DecoderTensors, WithoutMtpTheListEndsWithTheHead) {
  v1::ModelSpec model = TinyR1();
  EXPECT_EQ(ByName(model).at("model.layers.4.shared_head.head.weight").copy_of, "lm_head.weight");
  model.set_num_mtp_layers(0);
  EXPECT_EQ(DecoderTensors(model).back().name, "lm_head.weight");
}

TEST(DecoderTensors, WithoutExpertsEveryLayerIsDense) {
  v1::ModelSpec model = TinyR1();
  model.clear_moe();
  const auto tensors = ByName(model);
  EXPECT_EQ(tensors.at("model.layers.3.mlp.up_proj.weight").shape, (TensorShape{640, 256}));
  EXPECT_FALSE(tensors.contains("model.layers.3.mlp.gate.weight"));
}

}  // namespace
}  // namespace switchyard::worker
