// How many tokens to draft for each sequence: as many as make the cluster fastest, none where that
// is little faster. A draft costs the computing of a row and saves a step if it is right; with few
// sequences rows cost little, with many they cost what they save. So it is measured: tokens per
// microsecond, for each number of drafts and each size of the step apart. Steps with parts of
// prompts tell nothing of that; where there are no others, a trial is without prompts. Pure; what
// it says changes no token of any answer.
#ifndef SWITCHYARD_COORDINATOR_CORE_SCHED_DRAFT_CONTROL_H_
#define SWITCHYARD_COORDINATOR_CORE_SCHED_DRAFT_CONTROL_H_

#include <array>
#include <cstdint>
#include <vector>

namespace switchyard::core {

// Owned by the Scheduler. Not thread-safe.
class DraftControl {
 public:
  // After kTrialEvery steps of a size another number of drafts gets kTrialSteps, in turn; sooner
  // while one is unknown, and after twice as many, up to kMostTrialEvery, each time that the best
  // stays the best: a reader's gaps in a trial may be twice the others. The best number has its
  // turn, too, where all other steps have prompts.
  static constexpr int32_t kTrialEvery = 128;
  static constexpr int32_t kMostTrialEvery = 1024;
  static constexpr int32_t kFirstTrialsEvery = 16;
  static constexpr int32_t kTrialSteps = 4;

  explicit DraftControl(int32_t max_drafts) : max_drafts_(max_drafts) {}

  // For the next step, in which so many sequences of a group may have drafts. `generates`: the step
  // before did nothing else.
  int32_t Choose(int32_t num_sequences, bool generates);
  // Whether the step just chosen for is to be without prompts: what drafts are worth would not be
  // learnt otherwise.
  bool wants_quiet() const { return wants_quiet_; }

  // A step that only generated, as did the one before with the same number of drafts, took so long
  // and gave so many tokens.
  void Observe(int32_t num_sequences, int32_t num_drafts, int64_t num_tokens, int64_t micros);

 private:
  // By powers of two of the number of sequences.
  static constexpr int kSizes = 16;

  struct Rate {
    double tokens = 0, micros = 0;  // older steps count less
    bool is_known() const { return micros > 0; }
    double value() const { return tokens / micros; }
  };
  struct Size {
    std::vector<Rate> rates;                  // [0 .. max_drafts]
    int32_t until_trial = kFirstTrialsEvery;  // steps
    int32_t trial_every = kTrialEvery;
    int32_t last_best = 0;   // at the last trial
    int32_t trial_left = 0;  // steps of the trial under way
    int32_t tried = 0;       // in it or the last
    bool is_quiet = false;   // it is without prompts
    int32_t num_seen = 0;    // steps without prompts since the last
  };

  Size& SizeOf(int32_t num_sequences);
  int32_t Best(const Size& size) const;  // but for trials
  void StartTrial(Size& size, int32_t best) const;

  const int32_t max_drafts_;
  std::array<Size, kSizes> sizes_;
  bool wants_quiet_ = false;
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_SCHED_DRAFT_CONTROL_H_
