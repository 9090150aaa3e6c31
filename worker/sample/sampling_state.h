// What sampling has to know of a sequence's past: which tokens prompt and answer have, and how the
// answer ends just now. Penalties, forbidden sequences and the least length come from here, as
// edits of logits.
#ifndef SWITCHYARD_WORKER_SAMPLE_SAMPLING_STATE_H_
#define SWITCHYARD_WORKER_SAMPLE_SAMPLING_STATE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/status.h"
#include "kernels/args/logits.h"
#include "proto/step.pb.h"
#include "worker/sample/token_constraint.h"

namespace switchyard::worker {

// A value: a copy goes its own way from there on (drafts), and costs one copy of a plain array of
// the tokens whose logits change. Thread: the step's. Costs nothing while the parameters do not
// look at the past; else a token costs a search among those, whatever the length of the prompt.
class SamplingState {
 public:
  static constexpr int32_t kMaxTop = 128;  // likeliest tokens reported beside one
  static constexpr int32_t kFull = -1;     // in place of their number: the whole vocabulary

  SamplingState();
  // INTERNAL, naming the field, when the parameters name a token outside the vocabulary or a number
  // has no meaning: a coordinator checks requests before they come here.
  static absl::StatusOr<SamplingState> Create(const v1::SamplingParams& params,
                                              int32_t prompt_length, int32_t vocab_size);

  const v1::SamplingParams& params() const { return *params_; }

  // From now on the answer is bound by it. REQUIRES: no token was seen.
  void Bind(TokenConstraint constraint) { constraint_ = std::move(constraint); }
  // Null where there is none.
  TokenConstraint* constraint() { return constraint_ ? &*constraint_ : nullptr; }

  // Whether the tokens before the next one change how it is sampled.
  bool looks_back() const { return counts_tokens_ || tail_length_ > 0 || constraint_.has_value(); }
  // Tokens at `position` on. Those that were seen before are passed over, so that a token may be
  // told when it is sampled and again when it is computed. REQUIRES: position <= num_seen(), if
  // looks_back().
  void See(int32_t position, std::span<const int32_t> tokens);
  int32_t num_seen() const { return num_seen_; }

  // A token of the vocabulary whose logit changes, and how.
  struct Change {
    int32_t token = 0;
    float repetition = 1;
    float bias = 0;
    // What the bias is made of, unless the token is forbidden.
    int32_t num_answered = 0;  // how often the answer has it
    float logit_bias = 0;
  };
  // All changes for the token that comes after those seen; each token once. Empty without such
  // parameters. Valid until the next call.
  std::span<const Change> Changes();

 private:
  int32_t num_answered() const { return num_seen_ - prompt_length_; }
  bool EndsWith(std::span<const int32_t> tokens) const;
  void Count(std::span<const int32_t> tokens, bool in_answer);
  // Where the token stands in changes_; the end of those kept if it does not.
  size_t PlaceOf(int32_t token) const;
  // Lets changes_ have these tokens, too.
  void AddChanges(std::vector<int32_t> tokens);
  float BiasOf(const Change& change) const;
  void Forbid();
  void Allow();  // takes the last Forbid back
  // Each once.
  std::vector<int32_t> Forbidden();
  bool AllowsOtherThan(const std::vector<int32_t>& forbidden);

  std::shared_ptr<const v1::SamplingParams> params_;  // copies of a state share them
  std::optional<TokenConstraint> constraint_;
  int32_t prompt_length_ = 0;
  int32_t vocab_size_ = 0;
  bool counts_tokens_ = false;
  size_t tail_length_ = 0;  // tokens that the longest forbidden sequence looks back
  int32_t num_seen_ = 0;
  std::vector<int32_t> tail_;  // of the answer
  // First those kept from token to token, by token; then what is forbidden just now beside these.
  std::vector<Change> changes_;
  size_t num_kept_ = 0;
  std::vector<size_t> forbidden_;  // places of kept ones that are forbidden just now
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_SAMPLE_SAMPLING_STATE_H_
