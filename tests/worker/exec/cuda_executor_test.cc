// Decode steps on CUDA, run on the emulator: padded to few sizes and replayed, they give the bits
// of steps of one row, and experts see tokens alone.
#include <gtest/gtest.h>

#include <map>
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
  explicit Decoding(const Layout& layout) : layout_(layout) {
    auto engine = LocalEngine::Create({.model_path = "models/tiny-r1",
                                       .data_parallel = layout.data_parallel,
                                       .tensor_parallel = layout.tensor_parallel,
                                       .compute = layout.compute,
                                       .max_batched_tokens = 64,
                                       .max_running = 8,
                                       .num_kv_blocks = 16,
                                       .num_threads = 1,
                                       .backend = "cuda"});
    EXPECT_TRUE(engine.ok()) << engine.status();
    if (engine.ok()) engine_ = *std::move(engine);
  }

  bool ok() const { return engine_ != nullptr; }
  const Executor& executor() const { return engine_->executor(0); }
  const Answers& answers() const { return answers_; }

  void ComputePrompts() {
    v1::StepPlan step = NewStep();
    for (int i = 0; i < kSequences; ++i) {
      v1::SequenceStart* start = step.add_started();
      start->set_sequence_id(IdOf(i));
      start->set_group(GroupOf(i));
      start->set_prompt_length(2 + i);
      start->mutable_sampling()->set_top_logprobs(1);
      v1::SequenceWork* work = AddWork(i, &step);
      for (int t = 0; t < 2 + i; ++t) work->add_tokens(100 + 13 * i + t);
      work->add_new_blocks(i);
      lengths_.push_back(2 + i);
    }
    Run(step);
  }

  // Decodes one token of each of [begin, end).
  void Decode(int begin, int end) {
    v1::StepPlan step = NewStep();
    for (int i = begin; i < end; ++i) {
      v1::SequenceWork* work = AddWork(i, &step);
      work->set_begin_position(lengths_[static_cast<size_t>(i)]++);
      work->set_use_last_sampled(true);
    }
    const v1::StepResult result = Run(step);
    int64_t rows = 0;
    for (const uint32_t count : result.expert_rows()) rows += count;
    EXPECT_EQ(rows, (end - begin) * kExpertRowsOfToken) << "of " << end - begin << " tokens";
  }

 private:
  int GroupOf(int i) const { return i % layout_.data_parallel; }
  static uint64_t IdOf(int i) { return static_cast<uint64_t>(i) + 1; }

  v1::StepPlan NewStep() {
    v1::StepPlan step;
    step.set_epoch(engine_->plan().epoch());
    step.set_step(++num_steps_);
    step.set_placement_version(engine_->plan().placement().version());
    for (int group = 0; group < layout_.data_parallel; ++group) step.add_groups();
    return step;
  }

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
      answers_[{sampled.sequence_id(), sampled.position()}] = {sampled.token(), sampled.logprob()};
    }
    return *result;
  }

  const Layout layout_;
  std::unique_ptr<LocalEngine> engine_;
  std::vector<int32_t> lengths_;
  uint64_t num_steps_ = 0;
  Answers answers_;
};

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
