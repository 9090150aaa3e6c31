// Step plans in, forward batches out: what a rank remembers between steps, and every plan that it
// refuses.
#include "worker/exec/batch_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/args/attention.h"

namespace switchyard::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Two groups, blocks of 4 tokens, 8 of them; at most 10 tokens and 2 sequences in a step.
v1::ShardPlan SmallPlan() {
  v1::ShardPlan plan;
  plan.mutable_layout()->set_data_parallel(2);
  plan.mutable_model()->set_vocab_size(100);
  plan.mutable_model()->set_max_position_embeddings(16);
  plan.mutable_kv()->set_block_tokens(4);
  plan.mutable_kv()->set_num_blocks(8);
  plan.mutable_limits()->set_max_batched_tokens(10);
  plan.mutable_limits()->set_max_running(2);
  plan.mutable_limits()->set_max_full_logprobs(2);
  plan.mutable_drafts()->set_method(v1::DRAFT_METHOD_NGRAM);
  plan.mutable_drafts()->set_max_tokens(3);
  return plan;
}

struct Work {
  uint64_t id = 1;
  int32_t begin = 0;
  std::vector<int32_t> tokens;
  std::vector<int32_t> blocks;
  bool sample = false;
  bool use_last_sampled = false;
  int32_t max_drafts = 0;
};

// A step under construction, of group 1 unless told.
class Step {
 public:
  explicit Step(uint64_t number) {
    plan_.set_step(number);
    plan_.add_groups();
    plan_.add_groups();
  }
  Step& Start(uint64_t id, int32_t prompt_length, int group = 1) {
    v1::SequenceStart* start = plan_.add_started();
    start->set_sequence_id(id);
    start->set_group(group);
    start->set_prompt_length(prompt_length);
    return *this;
  }
  // Of the sequence started last.
  Step& EndsAt(int32_t max_length, int32_t stop_token) {
    v1::SequenceStart* start = plan_.mutable_started(plan_.started_size() - 1);
    start->set_max_length(max_length);
    start->add_stop_tokens(stop_token);
    return *this;
  }
  Step& Release(uint64_t id) {
    plan_.add_released(id);
    return *this;
  }
  Step& Do(const Work& work, int group = 1) {
    v1::SequenceWork* message = plan_.mutable_groups(group)->add_sequences();
    message->set_sequence_id(work.id);
    message->set_begin_position(work.begin);
    for (int32_t token : work.tokens) message->add_tokens(token);
    for (int32_t block : work.blocks) message->add_new_blocks(block);
    message->set_sample(work.sample);
    message->set_use_last_sampled(work.use_last_sampled);
    message->set_max_drafts(work.max_drafts);
    return *this;
  }
  v1::StepPlan& plan() { return plan_; }

 private:
  v1::StepPlan plan_;
};

class BatchBuilderTest : public ::testing::Test {
 protected:
  absl::Status Build(Step step) { return builder_.Build(step.plan(), &batch_, &outputs_); }

  std::string Refusal(Step step) {
    const absl::Status status = Build(std::move(step));
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
    return std::string(status.message());
  }

  const v1::ShardPlan plan_ = SmallPlan();
  BatchBuilder builder_{plan_, {.group = 1}};
  ForwardBatch batch_;
  std::vector<OutputRow> outputs_;
};

TEST_F(BatchBuilderTest, PromptRowsStandBeforeGeneratedRows) {
  ASSERT_TRUE(
      Build(Step(1).Start(1, 2).Do({.tokens = {5, 6}, .blocks = {3}, .sample = true})).ok());
  outputs_[0].sequence->last_sampled = 42;
  // Sequence 1 decodes while sequence 2 begins: the prompt comes first although it was named last.
  ASSERT_TRUE(Build(Step(2)
                        .Start(2, 3)
                        .Do({.id = 1, .begin = 2, .sample = true, .use_last_sampled = true})
                        .Do({.id = 2, .tokens = {7, 8, 9}, .blocks = {6}, .sample = true}))
                  .ok());
  EXPECT_THAT(batch_.token_ids, ElementsAre(7, 8, 9, 42));
  EXPECT_THAT(batch_.positions, ElementsAre(0, 1, 2, 2));
  EXPECT_THAT(batch_.slots, ElementsAre(24, 25, 26, 14));  // block * 4 + position in it
  EXPECT_EQ(batch_.num_prefill_rows, 3);
  ASSERT_EQ(batch_.prefill.size(), 1u);
  EXPECT_EQ(batch_.prefill[0].num_rows, 3);
  EXPECT_THAT(batch_.prefill[0].table, ElementsAre(6));
  ASSERT_EQ(batch_.decode_tables.size(), 1u);
  EXPECT_EQ(batch_.decode_tables[0][0], 3);
  EXPECT_THAT(batch_.output_rows, ElementsAre(2, 3));
  EXPECT_EQ(outputs_[0].sequence_id, 2u);
  EXPECT_EQ(outputs_[0].position, 2);
  EXPECT_EQ(outputs_[1].sequence_id, 1u);
}

TEST_F(BatchBuilderTest, WorkAcrossThePromptsEndIsCutThere) {
  // After a preemption: the prompt has 3 tokens, two more were generated before.
  ASSERT_TRUE(
      Build(Step(1).Start(1, 3).Do({.tokens = {5, 6, 7, 8, 9}, .blocks = {2, 0}, .sample = true}))
          .ok());
  EXPECT_EQ(batch_.num_prefill_rows, 3);
  EXPECT_THAT(batch_.positions, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(batch_.slots, ElementsAre(8, 9, 10, 11, 0));
  EXPECT_EQ(batch_.prefill[0].num_rows, 3);
  EXPECT_EQ(batch_.decode_tables.size(), 2u);
  EXPECT_THAT(batch_.output_rows, ElementsAre(4));
  EXPECT_EQ(outputs_[0].position, 4);
}

TEST_F(BatchBuilderTest, LaterChunksSeeTheWholeTable) {
  ASSERT_TRUE(Build(Step(1).Start(1, 6).Do({.tokens = {1, 2, 3}, .blocks = {7}})).ok());
  EXPECT_THAT(batch_.output_rows, IsEmpty());
  ASSERT_TRUE(Build(Step(2).Do({.begin = 3, .tokens = {4, 5, 6}, .blocks = {1}})).ok());
  ASSERT_EQ(batch_.prefill.size(), 1u);
  EXPECT_EQ(batch_.prefill[0].begin_position, 3);
  EXPECT_THAT(batch_.prefill[0].table, ElementsAre(7, 1));
  EXPECT_THAT(batch_.slots, ElementsAre(31, 4, 5));
}

TEST_F(BatchBuilderTest, DraftsFollowTheNewestTokenAndEachIsSampledBehind) {
  ASSERT_TRUE(
      Build(Step(1).Start(1, 2).Do({.tokens = {5, 6}, .blocks = {3, 1}, .sample = true})).ok());
  EXPECT_THAT(batch_.next_tokens, ElementsAre(6, ForwardBatch::kUnknown));
  SequenceState& sequence = *outputs_[0].sequence;
  sequence.Take(2, 42);
  sequence.drafts = {43, 44, 45};
  const Work work{.begin = 2, .sample = true, .use_last_sampled = true, .max_drafts = 2};
  ASSERT_TRUE(Build(Step(2).Do(work)).ok());
  EXPECT_THAT(batch_.token_ids, ElementsAre(42, 43, 44));
  EXPECT_THAT(batch_.positions, ElementsAre(2, 3, 4));
  EXPECT_THAT(batch_.slots, ElementsAre(14, 15, 4));
  EXPECT_EQ(batch_.num_prefill_rows, 0);
  EXPECT_THAT(batch_.output_rows, ElementsAre(0, 1, 2));
  EXPECT_EQ(outputs_[2].num_drafts, 2);
  // One draft was right: the sequence is further than the plan can know.
  sequence.Take(3, 43);
  sequence.Take(4, 50);
  sequence.drafts = {};
  ASSERT_TRUE(Build(Step(3).Do({.begin = 3, .sample = true, .use_last_sampled = true})).ok());
  EXPECT_THAT(batch_.token_ids, ElementsAre(50));
  EXPECT_THAT(batch_.positions, ElementsAre(4));
}

TEST_F(BatchBuilderTest, DraftsEndWithTheBlocksAndTheAnswer) {
  ASSERT_TRUE(Build(Step(1)
                        .Start(1, 2)
                        .Do({.id = 1, .tokens = {5, 6}, .blocks = {3}, .sample = true})
                        .Start(2, 2)
                        .EndsAt(5, 9)
                        .Do({.id = 2, .tokens = {5, 6}, .blocks = {4, 5}, .sample = true}))
                  .ok());
  for (const OutputRow& output : outputs_) {
    output.sequence->Take(2, 42);
    output.sequence->drafts = {43, 44, 45};
  }
  ASSERT_TRUE(
      Build(
          Step(2)
              .Do({.id = 1, .begin = 2, .sample = true, .use_last_sampled = true, .max_drafts = 3})
              .Do({.id = 2, .begin = 2, .sample = true, .use_last_sampled = true, .max_drafts = 3}))
          .ok());
  EXPECT_THAT(batch_.positions, ElementsAre(2, 3, 2, 3)) << "block 3 is full, the answer has 5";
}

TEST_F(BatchBuilderTest, AnEndedAnswerComputesNothingMore) {
  ASSERT_TRUE(
      Build(Step(1).Start(1, 2).EndsAt(8, 9).Do({.tokens = {5, 6}, .blocks = {3}, .sample = true}))
          .ok());
  outputs_[0].sequence->Take(2, 9);
  // A plan that left before that was known.
  ASSERT_TRUE(Build(Step(2).Do({.begin = 2, .sample = true, .use_last_sampled = true})).ok());
  EXPECT_EQ(batch_.num_rows(), 0);
  EXPECT_THAT(outputs_, IsEmpty());
}

TEST_F(BatchBuilderTest, AReleasedIdMayStartAgainFromNothing) {
  ASSERT_TRUE(
      Build(Step(1).Start(1, 2).Do({.tokens = {5, 6}, .blocks = {3}, .sample = true})).ok());
  outputs_[0].sequence->last_sampled = 42;
  ASSERT_TRUE(Build(Step(2).Release(1).Start(1, 2).Do({.tokens = {5, 6}, .blocks = {4}})).ok());
  EXPECT_EQ(builder_.num_sequences(), 1);
  EXPECT_THAT(batch_.slots, ElementsAre(16, 17));
  EXPECT_THAT(Refusal(Step(3).Do({.begin = 2, .use_last_sampled = true})),
              HasSubstr("asks for a sampled token that there is none of"));
}

TEST_F(BatchBuilderTest, ASequenceMayBeginWithWhatOthersComputed) {
  Step step = Step(1).Start(1, 11);
  step.plan().mutable_started(0)->set_num_cached(8);
  ASSERT_TRUE(
      Build(step.Do({.begin = 8, .tokens = {1, 2, 3}, .blocks = {5, 2, 7}, .sample = true})).ok());
  EXPECT_THAT(batch_.positions, ElementsAre(8, 9, 10));
  EXPECT_THAT(batch_.slots, ElementsAre(28, 29, 30));
  ASSERT_EQ(batch_.prefill.size(), 1u);
  EXPECT_EQ(batch_.prefill[0].begin_position, 8);
  EXPECT_THAT(batch_.prefill[0].table, ElementsAre(5, 2, 7));
}

TEST_F(BatchBuilderTest, CachedTokensAreToldWhereSamplingLooksBack) {
  Step step = Step(1).Start(1, 6);
  v1::SequenceStart* start = step.plan().mutable_started(0);
  start->set_num_cached(4);
  start->mutable_sampling()->set_repetition_penalty(2);
  for (const int32_t token : {7, 7, 8, 9}) start->add_cached_tokens(token);
  ASSERT_TRUE(
      Build(step.Do({.begin = 4, .tokens = {8, 3}, .blocks = {1, 0}, .sample = true})).ok());
  EXPECT_EQ(outputs_[0].sequence->sampling.num_seen(), 6);
  EXPECT_EQ(outputs_[0].sequence->sampling.Changes().size(), 4u) << "3, 7, 8 and 9 are there";
}

// Each row scores the token behind it, as long as that is the prompt's.
TEST_F(BatchBuilderTest, APromptsTokensAreScoredWhereTheirLogprobsAreWanted) {
  Step step = Step(1).Start(1, 4).Do({.tokens = {5, 6}, .blocks = {0}});
  step.plan().mutable_started(0)->mutable_sampling()->set_prompt_logprobs(0);
  step.plan().mutable_groups(1)->mutable_sequences(0)->set_next_token(7);
  ASSERT_TRUE(Build(step).ok());
  EXPECT_THAT(batch_.output_rows, ElementsAre(0, 1));
  EXPECT_EQ(outputs_[0].next_token, 6);
  EXPECT_EQ(outputs_[1].next_token, 7) << "which the next chunk begins with";
  EXPECT_THAT(batch_.next_tokens, ElementsAre(6, 7));
  EXPECT_FALSE(outputs_[1].sample);
  ASSERT_TRUE(Build(Step(2).Do({.begin = 2, .tokens = {7, 8}, .sample = true})).ok());
  EXPECT_THAT(batch_.output_rows, ElementsAre(0, 1));
  EXPECT_EQ(outputs_[0].next_token, 8);
  EXPECT_FALSE(outputs_[0].sample);
  EXPECT_EQ(outputs_[1].next_token, OutputRow::kNone);
  EXPECT_TRUE(outputs_[1].sample);
}

TEST_F(BatchBuilderTest, OtherGroupsWorkIsNotKept) {
  ASSERT_TRUE(Build(Step(1)
                        .Start(9, 2, /*group=*/0)
                        .Do({.id = 9, .tokens = {5, 6}, .blocks = {0}}, /*group=*/0))
                  .ok());
  EXPECT_EQ(batch_.num_rows(), 0);
  EXPECT_EQ(builder_.num_sequences(), 0);
  EXPECT_THAT(outputs_, IsEmpty());
}

TEST_F(BatchBuilderTest, AllOutputsGivesEveryRowAndSamplesTheLast) {
  BatchBuilder builder(plan_, {.group = 1, .all_outputs = true});
  Step step = Step(1).Start(1, 3).Do({.tokens = {5, 6, 7}, .blocks = {0}, .sample = true});
  ASSERT_TRUE(builder.Build(step.plan(), &batch_, &outputs_).ok());
  EXPECT_THAT(batch_.output_rows, ElementsAre(0, 1, 2));
  EXPECT_FALSE(outputs_[1].sample);
  EXPECT_TRUE(outputs_[2].sample);
  EXPECT_EQ(outputs_[0].next_token, OutputRow::kNone) << "nobody asks for its log probability";
}

// Each refusal names the sequence and what does not fit.
struct BadStep {
  const char* name;
  Step step;
  const char* message;
};
std::ostream& operator<<(std::ostream& out, const BadStep& bad) { return out << bad.name; }

Step Begun() { return Step(1).Start(1, 4); }
Step NoGroups() {
  Step step = Begun();
  step.plan().clear_groups();
  return step;
}

Step Cached(int32_t num_cached, const std::vector<int32_t>& tokens = {}, float penalty = 0) {
  Step step = Begun();
  v1::SequenceStart* start = step.plan().mutable_started(0);
  start->set_num_cached(num_cached);
  start->mutable_sampling()->set_repetition_penalty(penalty);
  for (const int32_t token : tokens) start->add_cached_tokens(token);
  return step;
}

Step WithPromptLogprobs(int32_t prompt_length, const Work& work, int32_t next_token = -1) {
  Step step = Step(1).Start(1, prompt_length).Do(work);
  step.plan().mutable_started(0)->mutable_sampling()->set_prompt_logprobs(0);
  if (next_token >= 0) {
    step.plan().mutable_groups(1)->mutable_sequences(0)->set_next_token(next_token);
  }
  return step;
}

Step WithFullLogprobs() {
  Step step = WithPromptLogprobs(3, {.tokens = {1, 2, 3}, .blocks = {0}, .sample = true});
  v1::SamplingParams* sampling = step.plan().mutable_started(0)->mutable_sampling();
  sampling->set_prompt_logprobs(SamplingState::kFull);
  sampling->set_top_logprobs(SamplingState::kFull);
  return step;
}

const BadStep kBadSteps[] = {
    {"too_many_full_logprobs", WithFullLogprobs(),
     "log probabilities of the whole vocabulary for 3 tokens in a step, the limit is 2"},
    {"next_token_missing", WithPromptLogprobs(4, {.tokens = {5, 6}, .blocks = {0}}),
     "sequence 1: the next token is missing"},
    {"foreign_next_token", WithPromptLogprobs(4, {.tokens = {5, 6}, .blocks = {0}}, 100),
     "sequence 1: token 100 is not in the vocabulary of 100"},
    {"too_many_logits",
     WithPromptLogprobs(5, {.tokens = {1, 2, 3, 4, 5}, .blocks = {0, 1}, .sample = true}),
     "logits of 5 tokens in a step, the limit is 4"},
    {"half_a_block_cached", Cached(6), "sequence 1: 6 cached tokens, and a block has 4"},
    {"less_than_nothing_cached", Cached(-4), "sequence 1: -4 cached tokens, and a block has 4"},
    {"whole_context_cached", Cached(16), "sequence 1: 16 cached tokens, the context is 16"},
    {"cached_without_blocks", Cached(4).Do({.begin = 4, .tokens = {1}, .blocks = {0}}),
     "sequence 1: needs 2 blocks and has 1"},
    {"computes_what_is_cached", Cached(4).Do({.begin = 0, .tokens = {1}, .blocks = {0}}),
     "sequence 1: begins at position 0, 4 are computed"},
    {"cached_tokens_untold", Cached(4, {}, 2),
     "sequence 1: 4 cached tokens, of which the plan tells 0"},
    {"too_many_told", Cached(0, {1}), "sequence 1: 0 cached tokens, of which the plan tells 1"},
    {"foreign_token_told", Cached(4, {1, 2, 3, 100}),
     "sequence 1: 4 cached tokens, among them 100"},
    {"unknown", Step(1).Do({.id = 5, .tokens = {1}, .blocks = {0}}), "sequence 5: was not started"},
    {"started_twice", Begun().Start(1, 4), "sequence 1: started twice"},
    {"no_prompt", Step(1).Start(1, 0), "sequence 1: prompt of 0 tokens"},
    {"twice_in_a_step", Begun().Do({.tokens = {1}, .blocks = {0}}).Do({.begin = 0, .tokens = {1}}),
     "sequence 1: stands in the plan twice"},
    {"no_tokens", Begun().Do({.blocks = {0}}), "sequence 1: no tokens to compute"},
    {"gap", Begun().Do({.begin = 1, .tokens = {1}, .blocks = {0}}),
     "sequence 1: begins at position 1, 0 are computed"},
    {"past_the_context",
     Begun().Do({.tokens = std::vector<int32_t>(17, 1), .blocks = {0, 1, 2, 3, 4}}),
     "sequence 1: 17 tokens at position 0 pass the context of 16"},
    {"nothing_was_sampled", Begun().Do({.blocks = {0}, .use_last_sampled = true}),
     "sequence 1: asks for a sampled token that there is none of"},
    {"too_many_drafts", Begun().Do({.tokens = {1}, .blocks = {0}, .max_drafts = 4}),
     "sequence 1: 4 drafts, the limit is 3"},
    {"negative_token", Begun().Do({.tokens = {-1}, .blocks = {0}}),
     "sequence 1: token -1 is not in the vocabulary of 100"},
    {"large_token", Begun().Do({.tokens = {100}, .blocks = {0}}),
     "sequence 1: token 100 is not in the vocabulary of 100"},
    {"negative_block", Begun().Do({.tokens = {1}, .blocks = {-1}}), "sequence 1: block -1 of 8"},
    {"large_block", Begun().Do({.tokens = {1}, .blocks = {8}}), "sequence 1: block 8 of 8"},
    {"too_few_blocks", Begun().Do({.tokens = {1, 2, 3, 4, 5}, .blocks = {0}}),
     "sequence 1: needs 2 blocks and has 1"},
    {"too_many_tokens", Begun().Do({.tokens = std::vector<int32_t>(11, 1), .blocks = {0, 1, 2}}),
     "11 tokens in a step, the limit is 10"},
    {"too_many_sequences", Step(1).Do({.id = 1}).Do({.id = 2}).Do({.id = 3}),
     "3 sequences in a step, the limit is 2"},
    {"too_few_groups", NoGroups(), "the plan has work for 0 groups, the layout 2"},
};

class BadStepTest : public BatchBuilderTest, public ::testing::WithParamInterface<BadStep> {};

TEST_P(BadStepTest, IsRefused) {
  EXPECT_THAT(Refusal(GetParam().step), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(Steps, BadStepTest, ::testing::ValuesIn(kBadSteps),
                         [](const auto& info) { return std::string(info.param.name); });

// Two tiles of memory, and prompts of three.
TEST(BatchBuilderTiles, BelongToPromptsInProgress) {
  constexpr int32_t kTile = kernels::kPrefillTileTokens;
  v1::ShardPlan plan = SmallPlan();
  plan.mutable_model()->set_max_position_embeddings(4 * kTile);
  plan.mutable_kv()->set_block_tokens(kTile);
  plan.mutable_kv()->set_expanded_tokens(2 * kTile + 100);
  plan.mutable_limits()->set_max_batched_tokens(2 * kTile);
  BatchBuilder builder(plan, {.group = 1});
  ForwardBatch batch;
  std::vector<OutputRow> outputs;
  const std::vector<int32_t> chunk(kTile + 10, 7);
  const auto build = [&](const Step& step) {
    const absl::Status status = builder.Build(Step(step).plan(), &batch, &outputs);
    ASSERT_TRUE(status.ok()) << status;
  };
  build(Step(1).Start(1, 3 * kTile).Do({.tokens = chunk, .blocks = {0, 1, 2}}));
  EXPECT_THAT(batch.prefill[0].tiles, ElementsAre(0, 1));
  EXPECT_EQ(batch.prefill[0].num_expanded, 0);
  // None are left for another, which goes on without.
  build(Step(2).Start(2, 3 * kTile).Do({.id = 2, .tokens = chunk, .blocks = {3, 4, 5}}));
  EXPECT_THAT(batch.prefill[0].tiles, IsEmpty());
  build(Step(3).Do({.begin = kTile + 10, .tokens = chunk}));
  EXPECT_THAT(batch.prefill[0].tiles, ElementsAre(0, 1));
  EXPECT_EQ(batch.prefill[0].num_expanded, kTile + 10);
  // The first prompt's last chunk: its tiles are free behind it, not in it.
  build(Step(4)
            .Do({.begin = 2 * kTile + 20,
                 .tokens = std::vector<int32_t>(kTile - 20, 7),
                 .sample = true})
            .Do({.id = 2, .begin = kTile + 10, .tokens = {7}}));
  EXPECT_THAT(batch.prefill[0].tiles, ElementsAre(0, 1));
  EXPECT_EQ(batch.prefill[0].num_expanded, 2 * kTile) << "as much as the tiles hold";
  EXPECT_THAT(batch.prefill[1].tiles, IsEmpty());
  build(Step(5).Do({.id = 2, .begin = kTile + 11, .tokens = {7}}));
  EXPECT_EQ(batch.prefill[0].tiles.size(), 2u);
  EXPECT_EQ(batch.prefill[0].num_expanded, 0) << "nothing was expanded while it had no tiles";
  // Who leaves gives them back; a prompt of one chunk takes none.
  build(Step(6).Release(2).Start(3, 2 * kTile).Do({.id = 3, .tokens = chunk, .blocks = {6, 7}}));
  EXPECT_EQ(batch.prefill[0].tiles.size(), 2u);
  EXPECT_EQ(batch.prefill[0].num_expanded, 0);
  build(Step(7).Release(3).Start(4, 5).Do({.id = 4, .tokens = {1, 2, 3, 4, 5}, .blocks = {3}}));
  EXPECT_THAT(batch.prefill[0].tiles, IsEmpty()) << "although both are free";
}

// Layers with a window have blocks of their own: 5 of them, windows of 6 tokens.
class WindowBatchTest : public ::testing::Test {
 protected:
  static v1::ShardPlan Plan() {
    v1::ShardPlan plan = SmallPlan();
    plan.mutable_kv()->set_num_window_blocks(5);
    plan.mutable_kv()->set_window(6);
    return plan;
  }
  absl::Status Build(Step step, const std::vector<int32_t>& window_blocks) {
    v1::SequenceWork* work = step.plan().mutable_groups(1)->mutable_sequences(0);
    work->mutable_new_window_blocks()->Add(window_blocks.begin(), window_blocks.end());
    return builder_.Build(step.plan(), &batch_, &outputs_);
  }

  const v1::ShardPlan plan_ = Plan();
  BatchBuilder builder_{plan_, {.group = 1}};
  ForwardBatch batch_;
  std::vector<OutputRow> outputs_;
};

TEST_F(WindowBatchTest, EachKindHasItsSlotsAndTables) {
  ASSERT_TRUE(
      Build(Step(1).Start(1, 6).Do({.tokens = {1, 2, 3, 4, 5}, .blocks = {6, 7}}), {4, 0}).ok());
  EXPECT_THAT(batch_.slots, ElementsAre(24, 25, 26, 27, 28));
  EXPECT_THAT(batch_.window_slots, ElementsAre(16, 17, 18, 19, 0));
  EXPECT_THAT(batch_.prefill[0].window_table, ElementsAre(4, 0));
  ASSERT_TRUE(Build(Step(2).Do({.begin = 5, .tokens = {6, 7}, .sample = true}), {}).ok());
  EXPECT_THAT(batch_.window_slots, ElementsAre(1, 2));
  ASSERT_EQ(batch_.window_decode_tables.size(), 1);
  EXPECT_EQ(batch_.window_decode_tables[0][1], 0);
}

TEST_F(WindowBatchTest, WhatTheFirstQueryDoesNotSeeHasNoBlock) {
  Step step(1);
  step.Start(1, 14).Do({.begin = 12, .tokens = {1, 2}, .blocks = {0, 1, 2, 3}});
  step.plan().mutable_started(0)->set_num_cached(12);
  // The query at 12 sees positions 7 to 12: blocks 1 to 3.
  ASSERT_TRUE(Build(step, {3, 1, 2}).ok());
  EXPECT_THAT(batch_.window_slots, ElementsAre(8, 9));
  EXPECT_THAT(batch_.prefill[0].window_table, ElementsAre(0, 3, 1, 2));
}

TEST_F(WindowBatchTest, AQuerySeesItselfAndWhatIsBeforeIt) {
  v1::ShardPlan plan = Plan();
  plan.mutable_kv()->set_window(5);
  BatchBuilder builder(plan, {.group = 1});
  Step step(1);
  step.Start(1, 14).Do({.begin = 12, .tokens = {1, 2}, .blocks = {0, 1, 2, 3}});
  step.plan().mutable_started(0)->set_num_cached(12);
  for (const int32_t block : {3, 1}) {  // positions 8 to 12
    step.plan().mutable_groups(1)->mutable_sequences(0)->add_new_window_blocks(block);
  }
  ASSERT_TRUE(builder.Build(step.plan(), &batch_, &outputs_).ok());
  EXPECT_THAT(batch_.prefill[0].window_table, ElementsAre(0, 0, 3, 1));
}

TEST_F(WindowBatchTest, BlocksThatAreNotThereOrTooFewAreRefused) {
  const Step step = Step(1).Start(1, 6).Do({.tokens = {1, 2, 3, 4, 5}, .blocks = {6, 7}});
  const auto refusal = [&](const std::vector<int32_t>& blocks) {
    BatchBuilder builder(plan_, {.group = 1});
    v1::StepPlan plan = Step(step).plan();
    plan.mutable_groups(1)->mutable_sequences(0)->mutable_new_window_blocks()->Add(blocks.begin(),
                                                                                   blocks.end());
    return std::string(builder.Build(plan, &batch_, &outputs_).message());
  };
  EXPECT_THAT(refusal({1, 5}), HasSubstr("window block 5 of 5"));
  EXPECT_THAT(refusal({-1, 2}), HasSubstr("window block -1 of 5"));
  EXPECT_THAT(refusal({1}), HasSubstr("needs 2 window blocks and has 1"));
}

}  // namespace
}  // namespace switchyard::worker
