// Steps on CUDA, run on the emulator. Decode steps, padded to few sizes and replayed, give the bits
// of steps of one row, and experts see tokens alone. Steps that are cut into micro-batches give the
// bits of whole ones, and so do drafts.
#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "cli/local_engine.h"

namespace switchyard::worker {
namespace {

using cli::LocalEngine;

constexpr int kSequences = 6;
constexpr int kExpertRowsOfToken = 4 * 3;  // experts of each token, MoE layers

struct Layout {
  int data_parallel, tensor_parallel;
  v1::ComputeMode compute;
};

// Tokens and log probabilities by sequence and position.
using Answers = std::map<std::pair<uint64_t, int32_t>, std::pair<int32_t, float>>;

// A few sequences, of which each step goes on with the first ones.
class Decoding {
 public:
  explicit Decoding(const Layout& layout, int micro_batch_tokens = 0, int max_drafts = 0)
      : layout_(layout), max_drafts_(max_drafts) {
    cli::LocalEngineOptions options{.model_path = "models/tiny-r1",
                                    .data_parallel = layout.data_parallel,
                                    .tensor_parallel = layout.tensor_parallel,
                                    .compute = layout.compute,
                                    .max_batched_tokens = 64,
                                    .micro_batch_tokens = micro_batch_tokens,
                                    .max_running = 8,
                                    .num_kv_blocks = 4 * kSequences,
                                    .num_threads = 1,
                                    .backend = "cuda"};
    if (max_drafts > 0) options.drafts.set_method(v1::DRAFT_METHOD_MTP);
    options.drafts.set_max_tokens(max_drafts);
    auto engine = LocalEngine::Create(options);
    EXPECT_TRUE(engine.ok()) << engine.status();
    if (engine.ok()) engine_ = *std::move(engine);
  }

  bool ok() const { return engine_ != nullptr; }
  const Executor& executor() const { return engine_->executor(0); }
  LocalEngine& engine() { return *engine_; }
  const Answers& answers() const { return answers_; }

  v1::StepPlan NewStep() {
    v1::StepPlan step;
    step.set_epoch(engine_->plan().epoch());
    step.set_step(++num_steps_);
    step.set_placement_version(engine_->plan().placement().version());
    step.set_num_drafts(max_drafts_);
    for (int group = 0; group < layout_.data_parallel; ++group) step.add_groups();
    return step;
  }

  // Anew, if they were computed before.
  void ComputePrompts() {
    v1::StepPlan step = NewStep();
    for (size_t i = 0; i < lengths_.size(); ++i) step.add_released(IdOf(static_cast<int>(i)));
    lengths_.clear();
    for (int i = 0; i < kSequences; ++i) {
      v1::SequenceStart* start = step.add_started();
      start->set_sequence_id(IdOf(i));
      start->set_group(GroupOf(i));
      start->set_prompt_length(2 + i);
      start->set_drafts(true);
      start->mutable_sampling()->set_top_logprobs(num_top_);
      v1::SequenceWork* work = AddWork(i, &step);
      for (int t = 0; t < 2 + i; ++t) work->add_tokens(100 + 13 * i + t);
      for (int block = 0; block < 4; ++block) work->add_new_blocks(4 * i + block);
      lengths_.push_back(2 + i);
    }
    const int64_t tokens = std::accumulate(lengths_.begin(), lengths_.end(), int64_t{0});
    const v1::StepResult result = Run(step);
    if (max_drafts_ > 0) return;
    EXPECT_EQ(NumExpertRows(result), tokens * kExpertRowsOfToken);
  }

  // Decodes one token of each of [begin, end).
  void Decode(int begin, int end) {
    v1::StepPlan step = NewStep();
    for (int i = begin; i < end; ++i) {
      v1::SequenceWork* work = AddWork(i, &step);
      work->set_begin_position(lengths_[static_cast<size_t>(i)]);
      work->set_use_last_sampled(true);
      work->set_max_drafts(max_drafts_);
    }
    const v1::StepResult result = Run(step);
    num_accepted_ += result.num_accepted();
    if (max_drafts_ > 0) return;
    EXPECT_EQ(NumExpertRows(result), (end - begin) * kExpertRowsOfToken)
        << "of " << end - begin << " tokens";
  }
  int64_t num_accepted() const { return num_accepted_; }

  // Of what starts from now on.
  void ReportWholeVocabulary() { num_top_ = SamplingState::kFull; }
  const std::vector<v1::SampledToken>& sampled() const { return sampled_; }

 private:
  static int64_t NumExpertRows(const v1::StepResult& result) {
    return std::accumulate(result.expert_rows().begin(), result.expert_rows().end(), int64_t{0});
  }

  int GroupOf(int i) const { return i % layout_.data_parallel; }
  static uint64_t IdOf(int i) { return static_cast<uint64_t>(i) + 1; }

  v1::SequenceWork* AddWork(int i, v1::StepPlan* step) const {
    v1::SequenceWork* work = step->mutable_groups(GroupOf(i))->add_sequences();
    work->set_sequence_id(IdOf(i));
    work->set_sample(true);
    return work;
  }

  v1::StepResult Run(const v1::StepPlan& step) {
    const auto result = engine_->RunStep(step);
    EXPECT_TRUE(result.ok()) << result.status();
    if (!result.ok()) return {};
    for (const v1::SampledToken& sampled : result->sampled()) {
      lengths_[sampled.sequence_id() - 1] = sampled.position();
      sampled_.push_back(sampled);
      answers_[{sampled.sequence_id(), sampled.position()}] = {sampled.token(), sampled.logprob()};
    }
    return *result;
  }

  const Layout layout_;
  const int max_drafts_;
  std::unique_ptr<LocalEngine> engine_;
  std::vector<int32_t> lengths_;
  uint64_t num_steps_ = 0;
  int64_t num_accepted_ = 0;
  int32_t num_top_ = 1;
  Answers answers_;
  std::vector<v1::SampledToken> sampled_;
};

TEST(CudaExecutorErrorTest, ARankThatRefusesAPlanReleasesThePeers) {
  Decoding decoding({2, 1, v1::COMPUTE_MODE_W8A8});
  ASSERT_TRUE(decoding.ok());
  v1::StepPlan step = decoding.NewStep();
  for (int i = 0; i < 2; ++i) {
    v1::SequenceStart* start = step.add_started();
    start->set_sequence_id(static_cast<uint64_t>(i));
    start->set_group(i);
    start->set_prompt_length(4);
    v1::SequenceWork* work = step.mutable_groups(i)->add_sequences();
    work->set_sequence_id(static_cast<uint64_t>(i == 0 ? 0 : 9));  // which nobody has started
    for (int t = 0; t < 4; ++t) work->add_tokens(100 + t);
    work->add_new_blocks(0);
  }
  const auto result = decoding.engine().RunStep(step);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInternal) << result.status();
}

class CudaExecutorTest : public ::testing::TestWithParam<Layout> {};

TEST_P(CudaExecutorTest, PaddedStepsAreAsThoseOfOneRowAndFewAreRecorded) {
  Decoding padded(GetParam()), single(GetParam());
  ASSERT_TRUE(padded.ok() && single.ok());
  padded.ComputePrompts();
  single.ComputePrompts();
  const int rows_of_step[] = {3, 4, 3, 5, 6, 5};
  for (const int rows : rows_of_step) padded.Decode(0, rows);
  for (const int rows : rows_of_step) {
    for (int i = 0; i < rows; ++i) single.Decode(i, i + 1);
  }
  EXPECT_EQ(padded.answers(), single.answers());
  if (GetParam().data_parallel > 1) return;
  // Three and four rows are four, five and six are eight: the second of either is recorded.
  EXPECT_EQ(padded.executor().num_recordings(), 2);
  EXPECT_EQ(padded.executor().num_replays(), 4);
  EXPECT_EQ(single.executor().num_recordings(), 1);
}

TEST_P(CudaExecutorTest, TheWholeVocabularyIsReportedWithTheBitsOfTheLikeliest) {
  Decoding full(GetParam()), likeliest(GetParam());
  ASSERT_TRUE(full.ok() && likeliest.ok());
  full.ReportWholeVocabulary();
  for (Decoding* decoding : {&full, &likeliest}) {
    decoding->ComputePrompts();
    decoding->Decode(0, 2);
  }
  EXPECT_EQ(full.answers(), likeliest.answers());
  ASSERT_EQ(full.sampled().size(), likeliest.sampled().size());
  for (size_t i = 0; i < full.sampled().size(); ++i) {
    const v1::SampledToken& sampled = full.sampled()[i];
    ASSERT_EQ(sampled.full_logprobs_size(), 4096);
    const v1::TokenLogprob& top = likeliest.sampled()[i].top(0);
    EXPECT_EQ(sampled.full_logprobs(top.token()), top.logprob());
    EXPECT_EQ(sampled.full_logprobs(sampled.token()), sampled.logprob());
    double sum = 0;
    for (const float logprob : sampled.full_logprobs()) sum += std::exp(double{logprob});
    EXPECT_NEAR(sum, 1, 1e-5);
  }
}

TEST_P(CudaExecutorTest, MicroBatchesGiveTheBitsOfWholeSteps) {
  Decoding whole(GetParam()), cut(GetParam(), /*micro_batch_tokens=*/4);
  ASSERT_TRUE(whole.ok() && cut.ok());
  for (Decoding* decoding : {&whole, &cut}) {
    decoding->ComputePrompts();
    for (int i = 0; i < 2; ++i) decoding->Decode(0, kSequences);
  }
  EXPECT_EQ(cut.answers(), whole.answers());
}

// Passes of the block that drafts are padded and replayed, too: a guess that is right is one that
// was computed from the right state.
TEST_P(CudaExecutorTest, DraftsArePaddedAndRecordedAndChangeNoToken) {
  Decoding plain(GetParam()), drafted(GetParam(), /*micro_batch_tokens=*/0, /*max_drafts=*/2);
  ASSERT_TRUE(plain.ok() && drafted.ok());
  plain.ComputePrompts();
  drafted.ComputePrompts();
  for (int i = 0; i < 12; ++i) plain.Decode(0, 3);
  for (int i = 0; i < 6; ++i) drafted.Decode(0, 3);
  EXPECT_GT(drafted.num_accepted(), 0);
  for (const auto& [place, answer] : drafted.answers()) {
    const auto alone = plain.answers().find(place);
    if (alone == plain.answers().end()) continue;  // further than the other has come
    EXPECT_EQ(answer, alone->second) << "sequence " << place.first << ", " << place.second;
  }
  EXPECT_GT(drafted.executor().num_recordings(), plain.executor().num_recordings());
}

// Prompts are of any length: recordings of their steps would drive out those of decode steps.
TEST_P(CudaExecutorTest, StepsWithPromptsAreNotRecorded) {
  Decoding drafted(GetParam(), /*micro_batch_tokens=*/0, /*max_drafts=*/2);
  ASSERT_TRUE(drafted.ok());
  for (int i = 0; i < 3; ++i) drafted.ComputePrompts();
  EXPECT_EQ(drafted.executor().num_recordings(), 0);
  for (int i = 0; i < 3; ++i) drafted.Decode(0, 3);
  EXPECT_GT(drafted.executor().num_recordings(), 0);
}

INSTANTIATE_TEST_SUITE_P(Layouts, CudaExecutorTest,
                         ::testing::Values(Layout{1, 1, v1::COMPUTE_MODE_W8A8},
                                           Layout{1, 2, v1::COMPUTE_MODE_BF16},
                                           Layout{2, 1, v1::COMPUTE_MODE_W8A8},
                                           Layout{2, 2, v1::COMPUTE_MODE_BF16}),
                         [](const auto& info) {
                           return "Dp" + std::to_string(info.param.data_parallel) + "Tp" +
                                  std::to_string(info.param.tensor_parallel);
                         });

}  // namespace
}  // namespace switchyard::worker
