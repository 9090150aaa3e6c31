// A rank's engine at its edges: plans out of order, the memory that a step takes, the bytes that a
// rank reads.
#include "worker/exec/executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/units.h"
#include "cli/local_engine.h"
#include "coordinator/core/plan/model_memory.h"
#include "coordinator/core/plan/sharding_planner.h"
#include "tests/worker/weights/checkpoint_files.h"

namespace switchyard::worker {
namespace {

using cli::LocalEngine;
using ::testing::HasSubstr;

struct Setup {
  const char* name;
  int data_parallel;
  int tensor_parallel;
  v1::ComputeMode compute;
  SinkPositions sink = SinkPositions::kNone;
  int max_running = 128;  // = kMaxTokens: all may decode at once
  int max_drafts = 0;     // by the model itself
};
std::ostream& operator<<(std::ostream& out, const Setup& setup) { return out << setup.name; }

constexpr int kMaxTokens = 128;

std::unique_ptr<LocalEngine> MakeEngine(const Setup& setup) {
  cli::LocalEngineOptions options{.model_path = kTinyR1,
                                  .data_parallel = setup.data_parallel,
                                  .tensor_parallel = setup.tensor_parallel,
                                  .compute = setup.compute,
                                  .max_batched_tokens = kMaxTokens,
                                  .max_running = setup.max_running,
                                  .num_kv_blocks = kMaxTokens};
  if (setup.max_drafts > 0) options.drafts.set_method(v1::DRAFT_METHOD_MTP);
  options.drafts.set_max_tokens(setup.max_drafts);
  if (setup.sink != SinkPositions::kNone) {
    options.logits_sink = [](uint64_t, int32_t, const float*) {};
    options.sink_positions = setup.sink;
  }
  auto engine = LocalEngine::Create(options);
  EXPECT_TRUE(engine.ok()) << engine.status();
  return engine.ok() ? *std::move(engine) : nullptr;
}

v1::StepPlan NewStep(const LocalEngine& engine, uint64_t number) {
  v1::StepPlan step;
  step.set_epoch(engine.plan().epoch());
  step.set_step(number);
  step.set_placement_version(engine.plan().placement().version());
  step.set_num_drafts(engine.plan().drafts().max_tokens());
  for (int group = 0; group < engine.plan().layout().data_parallel(); ++group) step.add_groups();
  return step;
}

// Adds all `length` tokens of a sequence to group `group`, the first `prompt_length` of them prompt
// (0: all); its blocks begin at `first_block`.
void AddPrompt(v1::StepPlan* step, uint64_t id, int group, int length, int first_block,
               int prompt_length = 0) {
  v1::SequenceStart* start = step->add_started();
  start->set_sequence_id(id);
  start->set_group(group);
  start->set_prompt_length(prompt_length > 0 ? prompt_length : length);
  start->set_drafts(true);
  v1::SequenceWork* work = step->mutable_groups(group)->add_sequences();
  work->set_sequence_id(id);
  work->set_sample(true);
  for (int i = 0; i < length; ++i) work->add_tokens(100 + i);
  for (int i = 0; i < CeilDiv(length, 16); ++i) work->add_new_blocks(first_block + i);
}

TEST(ExecutorOrder, PlansOfAnotherEpochStepOrPlacementAreRefused) {
  struct Wrong {
    void (*spoil)(v1::StepPlan*);
    const char* message;
  };
  const Wrong wrongs[] = {
      {[](v1::StepPlan* step) { step->set_epoch(2); },
       "plan of epoch 2, step 2, placement 1 came; epoch 1, step 2, placement 1 is next"},
      {[](v1::StepPlan* step) { step->set_step(1); }, "plan of epoch 1, step 1"},
      {[](v1::StepPlan* step) { step->set_step(3); }, "plan of epoch 1, step 3"},
      {[](v1::StepPlan* step) { step->set_placement_version(7); }, "placement 7 came"},
  };
  for (const Wrong& wrong : wrongs) {
    const auto engine = MakeEngine({"", 1, 1, v1::COMPUTE_MODE_BF16});
    ASSERT_NE(engine, nullptr);
    v1::StepPlan first = NewStep(*engine, 1);
    AddPrompt(&first, 1, 0, 3, 0);
    const auto result = engine->RunStep(first);
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_EQ(result->sampled_size(), 1);
    EXPECT_EQ(result->sampled(0).position(), 3);
    v1::StepPlan second = NewStep(*engine, 2);
    wrong.spoil(&second);
    const auto refused = engine->RunStep(second);
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kInternal);
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr(wrong.message));
  }
}

TEST(ExecutorOrder, AMisfitNamesStepAndSequenceAndReleasesThePeers) {
  const auto engine = MakeEngine({"", 2, 2, v1::COMPUTE_MODE_BF16});
  ASSERT_NE(engine, nullptr);
  v1::StepPlan step = NewStep(*engine, 1);
  AddPrompt(&step, 1, 0, 3, 0);
  v1::SequenceWork* unknown = step.mutable_groups(1)->add_sequences();  // its group's ranks see it
  unknown->set_sequence_id(8);
  const auto result = engine->RunStep(step);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(result.status().message()),
              HasSubstr("step 1: sequence 8: was not started"));
}

TEST(ExecutorResult, CountsTheRowsOfEveryExpert) {
  const auto engine = MakeEngine({"", 1, 1, v1::COMPUTE_MODE_BF16});
  ASSERT_NE(engine, nullptr);
  v1::StepPlan step = NewStep(*engine, 1);
  AddPrompt(&step, 1, 0, 20, 0);
  const auto result = engine->RunStep(step);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->expert_rows_size(), 32);
  int64_t rows = 0;
  for (uint32_t count : result->expert_rows()) rows += count;
  EXPECT_EQ(rows, 20 * 4 * 3);  // tokens, experts of each, MoE layers
}

// One prompt in chunks; every result in one message.
v1::StepResult RunChunks(LocalEngine& engine, const std::vector<int32_t>& tokens, int chunk,
                         int num_top = 2) {
  v1::StepResult all;
  const int length = static_cast<int>(tokens.size());
  for (int begin = 0, step_number = 1; begin < length; begin += chunk, ++step_number) {
    const int end = std::min(begin + chunk, length);
    v1::StepPlan step = NewStep(engine, step_number);
    v1::SequenceWork* work = step.mutable_groups(0)->add_sequences();
    work->set_sequence_id(1);
    work->set_begin_position(begin);
    for (int i = begin; i < end; ++i) work->add_tokens(tokens[i]);
    if (begin == 0) {
      v1::SequenceStart* start = step.add_started();
      start->set_sequence_id(1);
      start->set_prompt_length(length);
      start->mutable_sampling()->set_prompt_logprobs(num_top < 0 ? num_top : num_top + 1);
      start->mutable_sampling()->set_top_logprobs(num_top);
      for (int i = 0; i < CeilDiv(length, 16); ++i) work->add_new_blocks(i);
    }
    if (end < length) work->set_next_token(tokens[end]);
    work->set_sample(end == length);
    const auto result = engine.RunStep(step);
    EXPECT_TRUE(result.ok()) << result.status();
    if (result.ok()) all.MergeFrom(*result);
  }
  return all;
}

// Every position's logits of two prompts that take turns, in chunks; memory keeps `tiles` tiles of
// their keys and values expanded.
std::map<std::pair<uint64_t, int32_t>, std::vector<float>> LogitsOfTwo(
    const std::vector<int32_t>& tokens, int chunk, int tiles) {
  std::map<std::pair<uint64_t, int32_t>, std::vector<float>> rows;
  cli::LocalEngineOptions options{
      .model_path = kTinyR1, .max_batched_tokens = 640, .max_running = 8, .num_kv_blocks = 100};
  options.drafts.set_method(v1::DRAFT_METHOD_MTP);  // has a layer of its own
  options.drafts.set_max_tokens(1);
  const auto plan = core::MakeShardPlan(*cli::ReadModelSpec(kTinyR1),
                                        {.drafts = options.drafts, .kv_num_blocks = 1});
  options.expanded_bytes = tiles * 256 * core::ExpandedBytesPerToken(*plan);
  options.logits_sink = [&](uint64_t id, int32_t position, const float* logits) {
    rows[{id, position}].assign(logits, logits + plan->model().vocab_size());
  };
  const auto engine = LocalEngine::Create(options);
  EXPECT_TRUE(engine.ok()) << engine.status();
  if (!engine.ok()) return rows;
  EXPECT_EQ((*engine)->plan().kv().expanded_tokens(), tiles * 256);
  const int length = static_cast<int>(tokens.size());
  int step_number = 0;
  for (int begin = 0; begin < length; begin += chunk) {
    const int end = std::min(begin + chunk, length);
    for (const uint64_t id : {1, 2}) {
      v1::StepPlan step = NewStep(**engine, ++step_number);
      v1::SequenceWork* work = step.mutable_groups(0)->add_sequences();
      work->set_sequence_id(id);
      work->set_begin_position(begin);
      for (int i = begin; i < end; ++i) work->add_tokens(tokens[i] + static_cast<int>(id));
      if (begin == 0) {
        v1::SequenceStart* start = step.add_started();
        start->set_sequence_id(id);
        start->set_prompt_length(length);
        const int num_blocks = static_cast<int>(CeilDiv(length, 16));
        for (int i = 0; i < num_blocks; ++i) {
          work->add_new_blocks(static_cast<int>(id - 1) * num_blocks + i);
        }
      }
      if (end < length) work->set_next_token(tokens[end] + static_cast<int>(id));
      work->set_sample(end == length);
      const auto result = (*engine)->RunStep(step);
      EXPECT_TRUE(result.ok()) << result.status();
    }
  }
  return rows;
}

TEST(ExecutorPrompts, HaveTheSameBitsHoweverMuchOfThemIsKeptExpanded) {
  std::vector<int32_t> tokens;
  for (int i = 0; i < 560; ++i) tokens.push_back(100 + i * 37 % 3000);
  const auto whole = LogitsOfTwo(tokens, 560, 0);
  ASSERT_EQ(whole.size(), 2 * tokens.size());
  for (const int tiles : {0, 1, 4, 6}) {
    EXPECT_TRUE(LogitsOfTwo(tokens, 150, tiles) == whole) << tiles << " tiles";
  }
  EXPECT_TRUE(LogitsOfTwo(tokens, 31, 3) == whole);
}

double LogprobOf(const std::vector<float>& row, int32_t token) {
  double sum = 0;
  for (const float logit : row) sum += std::exp(double{logit});
  return row[token] - std::log(sum);
}

TEST(ExecutorLogprobs, PromptAndAnswerHaveThoseOfTheLogitsInAnyChunksOnAnyRanks) {
  std::vector<int32_t> tokens;
  for (int i = 0; i < 23; ++i) tokens.push_back(100 + i * 37);
  std::map<int32_t, std::vector<float>> rows;
  cli::LocalEngineOptions options{.model_path = kTinyR1, .num_kv_blocks = 8};
  options.logits_sink = [&](uint64_t, int32_t position, const float* logits) {
    rows[position].assign(logits, logits + 4096);
  };
  const auto with_rows = LocalEngine::Create(options);
  ASSERT_TRUE(with_rows.ok()) << with_rows.status();
  const v1::StepResult expected = RunChunks(**with_rows, tokens, 23);
  ASSERT_EQ(expected.prompt_logprobs_size(), 22);
  for (int i = 0; i < 22; ++i) {
    const v1::PromptLogprob& scored = expected.prompt_logprobs(i);
    EXPECT_EQ(scored.position(), i + 1);
    EXPECT_NEAR(scored.logprob(), LogprobOf(rows[i], tokens[i + 1]), 1e-5);
    ASSERT_EQ(scored.top_size(), 3);
    const auto likeliest = std::max_element(rows[i].begin(), rows[i].end()) - rows[i].begin();
    EXPECT_EQ(scored.top(0).token(), likeliest);
    EXPECT_GE(scored.top(0).logprob(), scored.top(1).logprob());
    EXPECT_NEAR(scored.top(2).logprob(), LogprobOf(rows[i], scored.top(2).token()), 1e-5);
  }
  ASSERT_EQ(expected.sampled_size(), 1);
  EXPECT_NEAR(expected.sampled(0).logprob(), LogprobOf(rows[22], expected.sampled(0).token()),
              1e-5);
  EXPECT_EQ(expected.sampled(0).top_size(), 2);
  EXPECT_EQ(expected.sampled(0).full_logprobs_size(), 0);

  for (const auto& [tensor_parallel, chunk] :
       {std::pair(1, 5), std::pair(2, 23), std::pair(4, 7)}) {
    const auto engine = MakeEngine({"", 1, tensor_parallel, v1::COMPUTE_MODE_BF16});
    ASSERT_NE(engine, nullptr);
    const v1::StepResult result = RunChunks(*engine, tokens, chunk);
    ASSERT_EQ(result.prompt_logprobs_size(), 22);
    for (int i = 0; i < 22; ++i) {
      EXPECT_EQ(result.prompt_logprobs(i).SerializeAsString(),
                expected.prompt_logprobs(i).SerializeAsString());
    }
    ASSERT_EQ(result.sampled_size(), 1);
    EXPECT_EQ(result.sampled(0).SerializeAsString(), expected.sampled(0).SerializeAsString());
  }
}

// Of a token that is reported with so many of the likeliest, and with the whole vocabulary.
template <typename Token>
void ExpectSameBits(const Token& likeliest, const Token& full) {
  EXPECT_EQ(full.logprob(), likeliest.logprob());
  EXPECT_EQ(full.top_size(), 0);
  ASSERT_EQ(full.full_logprobs_size(), 4096);
  double sum = 0;
  for (const float logprob : full.full_logprobs()) sum += std::exp(double{logprob});
  EXPECT_NEAR(sum, 1, 1e-5);
  for (const v1::TokenLogprob& likely : likeliest.top()) {
    EXPECT_EQ(full.full_logprobs(likely.token()), likely.logprob()) << likely.token();
  }
}

TEST(ExecutorLogprobs, OfTheWholeVocabularyAreThoseOfTheLikeliestInAnyChunksOnAnyRanks) {
  std::vector<int32_t> tokens;
  for (int i = 0; i < 9; ++i) tokens.push_back(100 + i * 37);
  const auto run = [&](int tensor_parallel, int chunk, int num_top) {
    const auto engine = MakeEngine({"", 1, tensor_parallel, v1::COMPUTE_MODE_BF16});
    EXPECT_NE(engine, nullptr);
    return engine == nullptr ? v1::StepResult() : RunChunks(*engine, tokens, chunk, num_top);
  };
  const v1::StepResult likeliest = run(1, 9, SamplingState::kMaxTop - 1);
  for (const auto& [tensor_parallel, chunk] : {std::pair(1, 9), std::pair(2, 4), std::pair(4, 9)}) {
    const v1::StepResult full = run(tensor_parallel, chunk, SamplingState::kFull);
    ASSERT_EQ(full.prompt_logprobs_size(), 8);
    ASSERT_EQ(full.sampled_size(), 1);
    for (int i = 0; i < 8; ++i) {
      ExpectSameBits(likeliest.prompt_logprobs(i), full.prompt_logprobs(i));
    }
    EXPECT_EQ(full.sampled(0).token(), likeliest.sampled(0).token());
    ExpectSameBits(likeliest.sampled(0), full.sampled(0));
  }
}

class ArenaTest : public ::testing::TestWithParam<Setup> {};

// Steps of every shape stay below the bound (or die of a CHECK), and the bound is not idle.
TEST_P(ArenaTest, TheBoundHoldsAndIsNotFarOff) {
  const auto engine = MakeEngine(GetParam());
  ASSERT_NE(engine, nullptr);
  const int num_groups = GetParam().data_parallel;
  // All tokens in one prompt.
  v1::StepPlan prompt = NewStep(*engine, 1);
  for (int group = 0; group < num_groups; ++group) {
    AddPrompt(&prompt, 1 + group, group, kMaxTokens, 0);
  }
  ASSERT_TRUE(engine->RunStep(prompt).ok());
  // The same tokens as an answer that is computed again.
  v1::StepPlan again = NewStep(*engine, 2);
  for (int group = 0; group < num_groups; ++group) {
    again.add_released(1 + group);
    AddPrompt(&again, 11 + group, group, kMaxTokens, 0, /*prompt_length=*/1);
  }
  ASSERT_TRUE(engine->RunStep(again).ok());
  // As many prompts as there may be.
  const int num_sequences = GetParam().max_running;
  v1::StepPlan many = NewStep(*engine, 3);
  for (int group = 0; group < num_groups; ++group) {
    many.add_released(11 + group);
    for (int i = 0; i < num_sequences; ++i) AddPrompt(&many, 100 + group * 1000 + i, group, 1, i);
  }
  ASSERT_TRUE(engine->RunStep(many).ok());
  // All of them decode.
  v1::StepPlan decode = NewStep(*engine, 4);
  for (int group = 0; group < num_groups; ++group) {
    for (int i = 0; i < num_sequences; ++i) {
      v1::SequenceWork* work = decode.mutable_groups(group)->add_sequences();
      work->set_sequence_id(100 + group * 1000 + i);
      work->set_begin_position(1);
      work->set_use_last_sampled(true);
      work->set_sample(true);
      work->set_max_drafts(GetParam().max_drafts);
    }
  }
  const auto result = engine->RunStep(decode);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->sampled_size(), num_groups * num_sequences + result->num_accepted());
  EXPECT_EQ(result->num_drafted(), num_groups * num_sequences * GetParam().max_drafts);
  for (int rank = 0; rank < num_groups * GetParam().tensor_parallel; ++rank) {
    const Executor& executor = engine->executor(rank);
    EXPECT_LE(executor.activation_high_water(), executor.activation_bytes()) << "rank " << rank;
    EXPECT_LE(executor.activation_bytes(), 2 * executor.activation_high_water()) << "rank " << rank;
    RecordProperty(
        fmt::format("rank_{}", rank),
        fmt::format("{} of {}", executor.activation_high_water(), executor.activation_bytes()));
  }
}

TEST(Executor, CountsDraftsAndTheSequencesThatHaveThem) {
  const auto engine =
      MakeEngine({"", 1, 1, v1::COMPUTE_MODE_BF16, SinkPositions::kNone, /*max_running=*/8,
                  /*max_drafts=*/3});
  ASSERT_NE(engine, nullptr);
  constexpr int kSequences = 4;
  v1::StepPlan prompts = NewStep(*engine, 1);
  for (int i = 0; i < kSequences; ++i) AddPrompt(&prompts, i, 0, 5, i);
  const auto first = engine->RunStep(prompts);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->num_drafted_sequences(), 0);
  v1::StepPlan decode = NewStep(*engine, 2);
  for (int i = 0; i < kSequences; ++i) {
    v1::SequenceWork* work = decode.mutable_groups(0)->add_sequences();
    work->set_sequence_id(i);
    work->set_begin_position(5);
    work->set_use_last_sampled(true);
    work->set_sample(true);
    work->set_max_drafts(i == 0 ? 0 : 3);
  }
  const auto result = engine->RunStep(decode);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->num_drafted(), 3 * (kSequences - 1));
  EXPECT_EQ(result->num_drafted_sequences(), kSequences - 1);
}

constexpr Setup kSetups[] = {
    {"bf16_1x1", 1, 1, v1::COMPUTE_MODE_BF16},
    {"bf16_1x1_all_logits", 1, 1, v1::COMPUTE_MODE_BF16, SinkPositions::kEvery},
    {"bf16_1x4", 1, 4, v1::COMPUTE_MODE_BF16},
    {"bf16_2x2", 2, 2, v1::COMPUTE_MODE_BF16},
    {"w8a8_1x1", 1, 1, v1::COMPUTE_MODE_W8A8},
    {"w8a8_1x4", 1, 4, v1::COMPUTE_MODE_W8A8},
    {"w8a8_1x4_all_logits", 1, 4, v1::COMPUTE_MODE_W8A8, SinkPositions::kEvery},
    {"bf16_1x4_sampled_logits", 1, 4, v1::COMPUTE_MODE_BF16, SinkPositions::kSampled},
    {"w8a8_2x2", 2, 2, v1::COMPUTE_MODE_W8A8},
    // Few outputs: the layers are widest, not the head.
    {"bf16_1x1_layers", 1, 1, v1::COMPUTE_MODE_BF16, SinkPositions::kNone, 2},
    {"bf16_1x4_layers", 1, 4, v1::COMPUTE_MODE_BF16, SinkPositions::kNone, 2},
    {"w8a8_1x1_layers", 1, 1, v1::COMPUTE_MODE_W8A8, SinkPositions::kNone, 2},
    {"w8a8_1x4_layers", 1, 4, v1::COMPUTE_MODE_W8A8, SinkPositions::kNone, 2},
    {"w8a8_2x2_layers", 2, 2, v1::COMPUTE_MODE_W8A8, SinkPositions::kNone, 2},
    {"bf16_1x1_drafts", 1, 1, v1::COMPUTE_MODE_BF16, SinkPositions::kNone, 64, 1},
    {"bf16_1x4_drafts", 1, 4, v1::COMPUTE_MODE_BF16, SinkPositions::kNone, 64, 1},
    {"w8a8_2x2_drafts", 2, 2, v1::COMPUTE_MODE_W8A8, SinkPositions::kNone, 64, 1},
    {"bf16_1x1_drafts_layers", 1, 1, v1::COMPUTE_MODE_BF16, SinkPositions::kNone, 2, 1},
};
INSTANTIATE_TEST_SUITE_P(Setups, ArenaTest, ::testing::ValuesIn(kSetups),
                         [](const auto& info) { return std::string(info.param.name); });

// The same numbers as with every position's, and no others.
TEST(LogitsSink, TakesSampledPositionsAlone) {
  std::map<int32_t, std::vector<float>> every, sampled;  // by position
  for (auto* const rows : {&every, &sampled}) {
    cli::LocalEngineOptions options{.model_path = kTinyR1,
                                    .tensor_parallel = 2,
                                    .max_batched_tokens = kMaxTokens,
                                    .max_running = 2,
                                    .num_kv_blocks = kMaxTokens};
    const int64_t vocab = cli::ReadModelSpec(kTinyR1)->vocab_size();
    options.logits_sink = [&](uint64_t, int32_t position, const float* logits) {
      (*rows)[position].assign(logits, logits + vocab);
    };
    options.sink_positions = rows == &every ? SinkPositions::kEvery : SinkPositions::kSampled;
    const auto engine = LocalEngine::Create(options);
    ASSERT_TRUE(engine.ok()) << engine.status();
    v1::StepPlan step = NewStep(**engine, 1);
    AddPrompt(&step, /*id=*/7, /*group=*/0, /*length=*/40, /*first_block=*/0);
    ASSERT_TRUE((*engine)->RunStep(step).ok());
  }
  EXPECT_EQ(every.size(), 40u);
  ASSERT_EQ(sampled.size(), 1u);
  EXPECT_EQ(sampled.at(39), every.at(39));
}

// How a tensor is cut over ranks (ARCHITECTURE 4).
int64_t ShardBytes(const TensorInfo& tensor, int rank, int world, int tensor_parallel) {
  const std::string& name = tensor.name;
  const auto has = [&](std::string_view part) { return name.find(part) != std::string::npos; };
  if (has(".experts.")) {  // 32, spread in order
    const int expert = std::stoi(name.substr(name.find(".experts.") + 9));
    return expert * world / 32 == rank ? tensor.num_bytes : 0;
  }
  const int part = rank % tensor_parallel;
  // Rows or columns [begin, end) of `size`; of scales, the blocks of 128 that they touch.
  const auto share = [&](int64_t size) {
    const int64_t begin = size * part / tensor_parallel, end = size * (part + 1) / tensor_parallel;
    const bool scales = has("_scale_inv");
    return std::pair(scales ? begin / 128 : begin, scales ? CeilDiv(end, 128) : end);
  };
  const auto bytes = [&](std::pair<int64_t, int64_t> range, int dimension) {
    return tensor.num_bytes / tensor.shape[dimension] * (range.second - range.first);
  };
  const bool dense = has("mlp.") && !has("shared_experts");
  if (has("q_b_proj")) return bytes(share(4 * 96), 0);
  if (has("kv_b_proj")) return bytes(share(4 * 128), 0);  // once for both forms of attention
  if (has("o_proj")) return bytes(share(4 * 64), 1);
  if (dense && (has("gate_proj") || has("up_proj"))) return bytes(share(640), 0);
  if (dense && has("down_proj")) return bytes(share(640), 1);
  if (has("embed_tokens") || has("head.weight")) return bytes(share(4096), 0);
  return tensor.num_bytes;
}

TEST(ExecutorLoad, EveryRankReadsItsShardAndNoByteMore) {
  const auto checkpoint = Checkpoint::Open(kTinyR1);
  ASSERT_TRUE(checkpoint.ok());
  for (const auto& [dp, tp] : {std::pair(1, 1), {4, 1}, {1, 4}, {2, 2}}) {
    const auto engine = MakeEngine({"", dp, tp, v1::COMPUTE_MODE_BF16});
    ASSERT_NE(engine, nullptr);
    for (int rank = 0; rank < dp * tp; ++rank) {
      int64_t expected = 0;
      for (const TensorInfo& tensor : checkpoint->tensors()) {
        expected += ShardBytes(tensor, rank, dp * tp, tp);
      }
      EXPECT_EQ(engine->executor(rank).weight_bytes_read(), expected)
          << dp << "x" << tp << ", rank " << rank;
    }
  }
}

}  // namespace
}  // namespace switchyard::worker
