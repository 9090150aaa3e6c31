#include "coordinator/core/sched/draft_control.h"

#include <algorithm>
#include <bit>

namespace switchyard::core {
namespace {

constexpr double kKept = 0.9;  // of what is known, with every step
// Drafts give at least so many times the tokens: a step is longer with them, and so are the gaps
// that a reader sees.
constexpr double kLeastGain = 1.05;

}  // namespace

int32_t DraftControl::Choose(int32_t num_sequences, bool generates) {
  wants_quiet_ = false;
  if (max_drafts_ == 0 || num_sequences == 0) return 0;
  Size& size = SizeOf(num_sequences);
  const int32_t best = Best(size);
  if (size.trial_left == 0) {
    size.num_seen += generates ? 1 : 0;
    if (--size.until_trial == 0) StartTrial(size, best);
  }
  if (size.trial_left == 0) return best;
  wants_quiet_ = size.is_quiet;
  if (--size.trial_left == 0) {
    const bool all_known = std::all_of(size.rates.begin(), size.rates.end(),
                                       [](const Rate& rate) { return rate.is_known(); });
    size.until_trial = all_known ? size.trial_every : kFirstTrialsEvery;
  }
  return size.tried;
}

void DraftControl::StartTrial(Size& size, int32_t best) const {
  size.trial_left = kTrialSteps;
  size.trial_every =
      best == size.last_best ? std::min(2 * size.trial_every, kMostTrialEvery) : kTrialEvery;
  size.last_best = best;
  size.is_quiet = size.num_seen < kTrialSteps;
  size.num_seen = 0;
  size.tried = (size.tried + 1) % (max_drafts_ + 1);
  if (size.tried == best && !size.is_quiet) size.tried = (size.tried + 1) % (max_drafts_ + 1);
}

void DraftControl::Observe(int32_t num_sequences, int32_t num_drafts, int64_t num_tokens,
                           int64_t micros) {
  if (max_drafts_ == 0 || num_sequences == 0 || micros <= 0) return;
  Size& size = SizeOf(num_sequences);
  Rate& rate = size.rates[num_drafts];
  const bool is_best = rate.tokens > 0 && num_drafts == Best(size);
  const double before = is_best ? rate.value() : 0;
  rate.tokens = rate.tokens * kKept + static_cast<double>(num_tokens);
  rate.micros = rate.micros * kKept + static_cast<double>(micros);
  if (!is_best || rate.tokens == 0) return;
  // What makes the steps of this number slower, such as longer answers, does so to the others.
  for (Rate& other : size.rates) {
    if (&other != &rate) other.micros *= before / rate.value();
  }
}

DraftControl::Size& DraftControl::SizeOf(int32_t num_sequences) {
  const int index = std::bit_width(static_cast<uint32_t>(num_sequences));
  Size& size = sizes_[std::min(index, kSizes - 1)];
  if (size.rates.empty()) size.rates.resize(max_drafts_ + 1);
  return size;
}

// All drafts, until something else is known to be better.
int32_t DraftControl::Best(const Size& size) const {
  int32_t best = max_drafts_;
  if (!size.rates[best].is_known()) return best;
  for (int32_t drafts = 0; drafts < max_drafts_; ++drafts) {
    const Rate& rate = size.rates[drafts];
    if (rate.is_known() && rate.value() > size.rates[best].value()) best = drafts;
  }
  const Rate& without = size.rates[0];
  const bool is_worth =
      !without.is_known() || size.rates[best].value() > kLeastGain * without.value();
  return is_worth ? best : 0;
}

}  // namespace switchyard::core
