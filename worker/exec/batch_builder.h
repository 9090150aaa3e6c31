// Step plans -> forward batches: keeps what this rank must remember of its group's sequences
// between steps, and holds every plan against it. Knows no kernel and no model.
#ifndef SWITCHYARD_WORKER_EXEC_BATCH_BUILDER_H_
#define SWITCHYARD_WORKER_EXEC_BATCH_BUILDER_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "proto/cluster.pb.h"
#include "proto/step.pb.h"
#include "worker/exec/grammar_store.h"
#include "worker/exec/ngram_history.h"
#include "worker/layers/forward_batch.h"
#include "worker/sample/sampling_state.h"

namespace switchyard::worker {

struct SequenceState {
  int32_t prompt_length = 0;
  int32_t max_length = 0;  // of prompt and answer, at most the model's context
  std::vector<int32_t> stop_tokens;
  bool is_drafted = false;  // drafts are wanted
  SamplingState sampling;
  std::vector<int32_t> blocks;
  // Of layers with a window, if they are a kind of their own. Entries behind the window of what is
  // still to be computed are never read: they name blocks that others have by now.
  std::vector<int32_t> window_blocks;
  // While its prompt is in progress: where its first tiles of keys and values are kept expanded,
  // and how many of its positions are there.
  std::vector<int32_t> tiles;
  int32_t num_expanded = 0;
  int32_t num_computed = 0;             // positions whose latents are cached
  int32_t last_sampled = -1;            // -1: none since the sequence was started
  bool is_ended = false;                // its newest token was its last
  std::vector<int32_t> drafts;          // what may come behind the newest token
  std::optional<NgramHistory> history;  // where drafts come from what was said before
  uint64_t last_step = 0;               // newest step that has work of it
  int32_t num_rows = 0;                 // of that step

  // The answer goes on with a token at `position`, which the model chose.
  void Take(int32_t position, int32_t token);
};

// One row of logits that the step asks for.
struct OutputRow {
  static constexpr int32_t kNone = -1;
  uint64_t sequence_id = 0;
  int32_t position = 0;  // of the row's token; a sampled token takes the next
  bool sample = false;
  int32_t next_token = kNone;  // the prompt's next token, where its log probability is wanted
  int32_t num_drafts = 0;      // before it in this step; its own token is the last of them
  SequenceState* sequence = nullptr;  // valid until the next Build
  int32_t token = kNone;              // once sampled; stays kNone where a draft before it was not
};

class BatchBuilder {
 public:
  // Rows of a step of at most `limits` that give logits: one for each sequence, and as many again
  // of drafts and of prompts whose log probabilities are wanted.
  static int64_t MaxOutputRows(const v1::StepLimits& limits) {
    return std::min<int64_t>(2 * int64_t{limits.max_running()}, limits.max_batched_tokens());
  }

  // Drafts of one sequence in one step, at most.
  static int32_t MaxDrafts(const v1::DraftPlan& drafts) {
    return std::max(drafts.max_tokens(), drafts.max_forced());
  }

  struct Options {
    int group = 0;             // whose sequences are kept
    bool all_outputs = false;  // logits of every row, not only of those that are sampled from
    GrammarStore* grammars = nullptr;  // outlives the builder; null: no sequence has a grammar
  };
  // `plan` outlives the builder.
  BatchBuilder(const v1::ShardPlan& plan, const Options& options);

  // Fills `batch` and `outputs` (one entry per batch.output_rows). INTERNAL, with step and
  // sequence, when the plan does not fit what was planned before: unknown or doubled sequences,
  // positions that do not follow, a cached beginning that is not of whole blocks, tokens outside
  // the vocabulary, blocks outside the cache or too few, more than the limits. The builder is not
  // to be used after an error.
  absl::Status Build(const v1::StepPlan& plan, ForwardBatch* batch,
                     std::vector<OutputRow>* outputs);

  int64_t num_sequences() const { return static_cast<int64_t>(sequences_.size()); }

 private:
  absl::Status Start(const v1::SequenceStart& start);
  // What others have computed of it, and lies in the first of its blocks.
  absl::Status Bind(const v1::SequenceStart& start, SamplingState* sampling) const;
  absl::Status StartCached(const v1::SequenceStart& start, SequenceState* sequence) const;
  bool InVocabulary(int32_t token) const;
  absl::Status Extend(const v1::SequenceWork& work, SequenceState* sequence) const;
  absl::Status AddBlocks(const v1::SequenceWork& work, SequenceState* sequence) const;
  // Whether its tables hold so many tokens.
  absl::Status CheckCovered(const v1::SequenceWork& work, const SequenceState& sequence,
                            int32_t num_tokens) const;
  absl::Status CheckTokens(const v1::SequenceWork& work) const;
  // The newest token and as many drafts as fit the work, the answer's length and the blocks.
  int32_t RowsToDraft(const v1::SequenceWork& work, const SequenceState& sequence) const;
  void AddRows(const v1::SequenceWork& work, SequenceState* sequence, bool prompt_rows,
               ForwardBatch* batch, std::vector<OutputRow>* outputs);
  // Positions [first, last) of the sequence's prompt, and what of it is kept expanded.
  PrefillSpan SpanOf(int64_t row_begin, int32_t first, int32_t last, SequenceState* sequence);
  // For positions below `last`, as far as there are any.
  void TakeTiles(int32_t last, SequenceState* sequence);
  void GiveTilesBack(SequenceState* sequence);
  void Forget(uint64_t id);

  const v1::ShardPlan& plan_;
  const Options options_;
  std::unordered_map<uint64_t, SequenceState> sequences_;
  std::vector<int32_t> free_tiles_;
  std::vector<uint64_t> computed_prompts_;  // in the newest step; their tiles go back after it
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_EXEC_BATCH_BUILDER_H_
