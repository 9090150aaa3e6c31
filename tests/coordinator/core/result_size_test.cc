#include "coordinator/core/plan/result_size.h"

#include <gtest/gtest.h>

#include <limits>

#include "proto/step.pb.h"

namespace switchyard::core {
namespace {

constexpr uint64_t kLongestId = std::numeric_limits<uint64_t>::max();
constexpr int32_t kLongest = std::numeric_limits<int32_t>::max();

void AddLikeliest(int count, google::protobuf::RepeatedPtrField<v1::TokenLogprob>* top) {
  for (int i = 0; i < count; ++i) {
    v1::TokenLogprob* entry = top->Add();
    entry->set_token(kLongest);
    entry->set_logprob(-1.5f);
  }
}

// Every request samples, and as many prompt tokens are scored, all with everything asked for.
v1::StepResult Largest(int max_running, int max_likeliest, int num_full, int vocab_size) {
  v1::StepResult result;
  for (int i = 0; i < max_running; ++i) {
    v1::SampledToken* sampled = result.add_sampled();
    sampled->set_sequence_id(kLongestId);
    sampled->set_position(kLongest);
    sampled->set_token(kLongest);
    sampled->set_logprob(-1.5f);
    if (i < num_full) {
      sampled->mutable_full_logprobs()->Resize(vocab_size, -1.5f);
    } else {
      AddLikeliest(max_likeliest, sampled->mutable_top());
    }
    v1::PromptLogprob* scored = result.add_prompt_logprobs();
    scored->set_sequence_id(kLongestId);
    scored->set_position(kLongest);
    scored->set_logprob(-1.5f);
    AddLikeliest(max_likeliest, scored->mutable_top());
  }
  return result;
}

TEST(MaxResultBytes, HoldsTheLargestResultAndLittleMore) {
  constexpr int kVocabulary = 1 << 17, kNumFull = kFullLogprobBytes / (kVocabulary * 4);
  const auto check = [](int max_running, int max_likeliest) {
    const auto size = static_cast<int64_t>(
        Largest(max_running, max_likeliest, kNumFull, kVocabulary).ByteSizeLong());
    const int64_t most = MaxResultBytes(max_running, max_likeliest);
    EXPECT_LE(size, most) << max_running << " " << max_likeliest;
    EXPECT_GE(size + 3 * kMiB, most) << max_running << " " << max_likeliest;
  };
  check(64, 20);
  check(3000, 128);
  check(1 << 16, 0);
}

}  // namespace
}  // namespace switchyard::core
