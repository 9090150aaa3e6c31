// What the planner says a rank takes, held against what is taken of a device in the largest steps.
// On GPUs alone, and so on the emulator: there the memory is one process's.
#include <gtest/gtest.h>

#include "cli/local_engine.h"
#include "coordinator/core/plan/rank_memory.h"
#include "tests/worker/weights/checkpoint_files.h"
#include "worker/exec/step_recorder.h"

namespace switchyard::worker {
namespace {

// Prompts that fill the step, then decode steps of many shapes, so that ops have taken all that
// they will and every recording is made.
TEST(CudaRankMemory, LargeStepsTakeNoMoreThanPlanned) {
  EXPECT_EQ(core::kMostRecordings, int64_t{StepRecorder::kMostRecordings});
  constexpr int kTokens = 64, kSequences = 8;
  cli::LocalEngineOptions options{.model_path = kTinyR1,
                                  .compute = v1::COMPUTE_MODE_W8A8,
                                  .max_batched_tokens = kTokens,
                                  .max_running = kSequences,
                                  .num_kv_blocks = 96,
                                  .backend = "cuda"};
  const auto engine = cli::LocalEngine::Create(options);
  ASSERT_TRUE(engine.ok()) << engine.status();
  const core::RankMemory planned =
      core::MemoryOfRank((*engine)->plan(), 0, {.backend = core::BackendKind::kCuda});
  const int64_t loaded = (*engine)->used_bytes(0);
  EXPECT_GE(loaded, planned.weights.Total() + planned.Cache() + planned.arena + planned.exchange);
  uint64_t number = 0;
  std::vector<int> position_of(kSequences, kTokens / kSequences);
  const auto run = [&](int sequences, int tokens, bool start) {
    v1::StepPlan step;
    step.set_epoch((*engine)->plan().epoch());
    step.set_step(++number);
    step.set_placement_version((*engine)->plan().placement().version());
    v1::GroupWork* group = step.add_groups();
    for (int i = 0; i < sequences; ++i) {
      v1::SequenceWork* work = group->add_sequences();
      work->set_sequence_id(static_cast<uint64_t>(i + 1));
      work->set_sample(true);
      if (start) {
        v1::SequenceStart* started = step.add_started();
        started->set_sequence_id(static_cast<uint64_t>(i + 1));
        started->set_prompt_length(tokens);
        for (int block = 0; block < 8; ++block) work->add_new_blocks(8 * i + block);
        for (int token = 0; token < tokens; ++token) work->add_tokens(100 + token);
      } else {
        work->set_begin_position(position_of[i]++);
        work->set_use_last_sampled(true);
      }
    }
    const auto result = (*engine)->RunStep(step);
    ASSERT_TRUE(result.ok()) << result.status();
  };
  run(kSequences, kTokens / kSequences, true);
  for (int sequences = kSequences; sequences > 0; --sequences) {
    for (int turn = 0; turn < 3; ++turn) run(sequences, 0, false);
  }
  constexpr int64_t kRecordings = 4;  // of 1, 2, 4 and 8 rows
  EXPECT_EQ((*engine)->executor(0).num_recordings(), kRecordings);
  const int64_t used = (*engine)->used_bytes(0);
  EXPECT_GT(used, loaded);
  EXPECT_LE(used, planned.Fixed() + planned.Cache());
  // What is not the worst case of one op, or one more recording, is all there.
  EXPECT_GE(used + planned.working,
            planned.Fixed() + planned.Cache() -
                (core::kMostRecordings - kRecordings) * core::kRecordingBytes);
}

}  // namespace
}  // namespace switchyard::worker
