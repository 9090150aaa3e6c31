// An Engine whose answers are written down beforehand, with a loop thread of its own, for tests of
// the gateway.
#ifndef SWITCHYARD_TESTS_TESTING_FAKE_ENGINE_H_
#define SWITCHYARD_TESTS_TESTING_FAKE_ENGINE_H_

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "coordinator/core/events.h"

namespace switchyard::testing {

// What every request is answered with, one token per turn of the loop. A stop token or max_tokens
// ends it earlier.
struct FakeAnswer {
  enum class Ending {
    kFinish,  // with kStop
    kRepeat,  // begins anew, so that only max_tokens or a cancel ends it
    kHang,    // nothing more comes until it is cancelled
    kFail,    // with `error`
    kRefuse,  // with `error`, before it has a place in the queue
  };
  std::vector<int32_t> tokens;
  int32_t num_cached_tokens = 0;  // of the prompt
  float logprob = -1;  // of each token; the likeliest tokens, where asked for, are 0, 1, 2, ...
  int32_t vocab_size = 4096;  // of what is told of the whole vocabulary
  Ending ending = Ending::kFinish;
  absl::Status error;
};

// Thread-safe. Waits give up after 20 seconds and return false, so that a broken test fails instead
// of hanging.
class FakeEngine : public core::Engine {
 public:
  FakeEngine();
  ~FakeEngine() override;

  void SetAnswer(FakeAnswer answer) { SetAnswers({std::move(answer)}); }
  // Choice c of a request gets number c modulo their number.
  void SetAnswers(std::vector<FakeAnswer> answers);
  // Requests get them in the order in which they come, from the first on.
  void SetAnswersInTurn(std::vector<FakeAnswer> answers);
  // Requests that follow another come only when one was cancelled or stopped.
  void LetFollowersWait();
  // OK: requests are taken. Else from the next one on, or after so many more.
  void SetSubmitStatus(absl::Status status, int num_taken_before = 0);
  void SetClusterStatus(v1::StatusResponse status);

  core::NewRequest last_request() const;
  std::vector<core::NewRequest> requests() const;  // all that were taken, in their order
  int num_submitted() const;
  // Requests that were announced to follow, of all answers of which that was taken back before they
  // came.
  int num_taken_back() const;
  // Until every request that was announced to follow has come or was taken back.
  bool WaitUntilNoneIsToFollow();
  // Requests that are not finished.
  int num_open() const;
  // Waits until `count` requests in all were cancelled or stopped before their end.
  bool WaitForCancels(int count);
  bool WaitForSubmissions(int count);

  absl::Status Submit(core::NewRequest request,
                      std::shared_ptr<core::RequestListener> listener) override;
  void Cancel(core::RequestId id) override;
  void Stop(core::RequestId id) override;
  v1::StatusResponse Status() const override;

 private:
  struct Running {
    core::NewRequest request;
    std::shared_ptr<core::RequestListener> listener;
    FakeAnswer answer;
    size_t num_done = 0;
    bool cancelled = false;
  };

  void Loop();
  static void SendPromptLogprobs(const Running& running);
  // One turn for one request; true when it is over. Without the lock: listeners are foreign code.
  bool Step(Running& running);

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<FakeAnswer> answers_ = {{}};
  std::optional<size_t> next_answer_;  // of those that go in turn; none: by choice
  absl::Status submit_status_;
  int num_taken_before_ = 0;                 // of submissions that are refused
  std::map<core::RequestId, int32_t> kept_;  // places, by the first of the answer
  v1::StatusResponse cluster_status_;
  std::vector<core::NewRequest> requests_;
  int num_submitted_ = 0;
  int num_cancelled_ = 0;
  int num_taken_back_ = 0;
  bool followers_wait_ = false;
  bool stopping_ = false;
  std::map<core::RequestId, std::shared_ptr<Running>> running_;
  std::thread loop_;
};

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_TESTING_FAKE_ENGINE_H_
