// Finds masks ahead of the steps that will want them, on a thread of its own.
#ifndef SWITCHYARD_WORKER_SAMPLE_MASK_PREPARER_H_
#define SWITCHYARD_WORKER_SAMPLE_MASK_PREPARER_H_

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "worker/sample/grammar_masks.h"

namespace switchyard::worker {

// Thread-safe. The thread starts with the first grammar.
class MaskPreparer {
 public:
  static constexpr size_t kMaxGrammars = 64;

  MaskPreparer() = default;
  // Waits for the state that is being found, if there is one.
  ~MaskPreparer();
  MaskPreparer(const MaskPreparer&) = delete;
  MaskPreparer& operator=(const MaskPreparer&) = delete;

  // Finds the grammar's states (GrammarMasks::PrepareOne), in turn with those of other grammars,
  // for as long as somebody else has the grammar. Nothing happens while kMaxGrammars wait: the
  // steps find what they need themselves.
  void Add(const std::shared_ptr<GrammarMasks>& masks);

  // Until nothing is left to find: for tests and benchmarks.
  void WaitUntilIdle();

 private:
  void Run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::weak_ptr<GrammarMasks>> waiting_;
  bool works_ = false;
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_SAMPLE_MASK_PREPARER_H_
