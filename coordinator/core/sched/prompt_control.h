// How much one prompt may take of a step in which requests write: as much as keeps the gap between
// two tokens of theirs below a multiple of what it is without prompts, all but one in a hundred.
// Learnt from how long steps take, so it fits any model and machine: where steps without prompts
// already take that much longer by chance, or because answers have grown, a prompt gets a tenth of
// it. Not for all prompts together: where short ones come all the time that would keep down how
// many requests run. Pure; what it says changes no token of any answer.
#ifndef SWITCHYARD_COORDINATOR_CORE_SCHED_PROMPT_CONTROL_H_
#define SWITCHYARD_COORDINATOR_CORE_SCHED_PROMPT_CONTROL_H_

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace switchyard::core {

// The sequences that write in a step of one group. Together they tell how long it takes without
// prompts: answers that have grown have longer steps, and so have more drafts.
struct Writing {
  int32_t num_rows = 0;  // theirs, and as many for drafts as they may have
  int64_t num_keys = 0;  // that they read: positions before their own

  friend auto operator<=>(const Writing&, const Writing&) = default;
};

// What one prompt may take of a step, in units of PromptCost. Nothing where `units` is 0.
struct PromptBound {
  double units = 0;
  // A prompt that takes no more as a whole goes at once, which is dearer: one longer gap, and it
  // need not wait for its turn several times. More so as prompts outnumber the sequences that
  // write, for many wait for their first token then, and few for their next one.
  double short_units = 0;
};

// Owned by the Scheduler. Not thread-safe. Units: those of PromptCost.
class PromptControl {
 public:
  static constexpr double kNoLimit = std::numeric_limits<double>::infinity();

  // `max_stretch`: of a step by a prompt, over 1; 0: no bound.
  explicit PromptControl(double max_stretch) : max_stretch_(max_stretch) {}

  // Of one prompt, in a step in which these sequences of its group write. 0: this step is to be
  // without prompts, because what it takes alone is not known, or was not looked at for long.
  double MaxUnits(const Writing& writing) const;

  // Both, where so many prompts wait or are in progress for each sequence that writes.
  PromptBound BoundOf(const Writing& writing, double prompts_per_writing) const;

  // A step of these sequences that write and so much of prompts, in the group with most, took so
  // long.
  void Observe(const Writing& writing, double prompt_units, int64_t micros);

 private:
  // Between a power of two and the next there are two sizes of rows, for another number of drafts
  // is another size, and four of keys: a prompt would answer for what answers grow within one.
  static constexpr int kRowSizes = 1;  // log2
  static constexpr int kKeySizes = 2;
  static constexpr int kNumRows = 40;
  static constexpr int kNumKeys = 160;

  struct Size {
    double micros = 0;      // of a step without prompts; 0: not known
    int32_t num_alone = 0;  // of which that is known
    int32_t num_mixed = 0;  // steps with prompts since the last one without

    bool IsStale() const;
  };
  // By rows, for what holds up a short step is little to a long one.
  struct Rows {
    double chance = 0;        // how much longer than usual a step alone is, but one in a hundred
    double usual_micros = 0;  // of a step alone, whatever number of keys it reads
    int32_t num_steps = 0;    // of which that is known
  };

  // Of a prompt that makes a step longer by so much of what it is alone.
  double UnitsOf(const Writing& writing, double stretch) const;
  // A step without prompts; where none was seen, one of fewer keys, which is no longer. 0: not
  // known.
  double MicrosOf(const Writing& writing) const;
  static void ObserveAlone(double micros, Rows& rows, Size& size);
  static void ObserveChance(double stretch, Rows& rows);
  void ObservePrice(double units, double stretch);
  static size_t SizeOf(const Writing& writing);
  static size_t RowsOf(const Writing& writing);

  const double max_stretch_;
  std::array<Size, kNumRows * kNumKeys> sizes_{};
  std::array<Rows, kNumRows> rows_{};
  // Of prompts beside sequences that write.
  double micros_per_unit_ = 0;  // 0: not known
  double price_products_ = 0;   // of units and stretch; newer ones count more
  double price_squares_ = 0;    // of units
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_SCHED_PROMPT_CONTROL_H_
