#include "tests/testing/fake_engine.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace switchyard::testing {
namespace {

constexpr std::chrono::seconds kPatience{20};

core::RequestFinish MakeFinish(core::FinishReason reason, absl::Status status,
                               const core::NewRequest& request, size_t num_generated) {
  return {.reason = reason,
          .status = std::move(status),
          .num_prompt_tokens = int32_t(request.prompt_tokens.size()),
          .num_generated_tokens = int32_t(num_generated)};
}

std::vector<core::TokenLogprob> Likeliest(int32_t count) {
  std::vector<core::TokenLogprob> tokens;
  for (int32_t i = 0; i < count; ++i) tokens.push_back({.token = i, .logprob = -0.5f * float(i)});
  return tokens;
}

core::FullLogprobs Full(int32_t count, int32_t vocab_size) {
  if (count != core::kFullVocabulary) return nullptr;
  std::vector<float> logprobs;
  for (const core::TokenLogprob& likely : Likeliest(vocab_size)) logprobs.push_back(likely.logprob);
  return std::make_shared<const std::vector<float>>(std::move(logprobs));
}

}  // namespace

FakeEngine::FakeEngine() {
  cluster_status_.set_state(v1::CLUSTER_STATE_SERVING);
  loop_ = std::thread([this] { Loop(); });
}

FakeEngine::~FakeEngine() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  loop_.join();
}

void FakeEngine::SetAnswers(std::vector<FakeAnswer> answers) {
  std::lock_guard lock(mutex_);
  answers_ = std::move(answers);
  next_answer_.reset();
}

void FakeEngine::SetAnswersInTurn(std::vector<FakeAnswer> answers) {
  std::lock_guard lock(mutex_);
  answers_ = std::move(answers);
  next_answer_ = 0;
}

void FakeEngine::SetSubmitStatus(absl::Status status, int num_taken_before) {
  std::lock_guard lock(mutex_);
  submit_status_ = std::move(status);
  num_taken_before_ = num_taken_before;
}

bool FakeEngine::WaitUntilNoneIsToFollow() {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] {
    return std::all_of(kept_.begin(), kept_.end(),
                       [](const auto& entry) { return entry.second == 0; });
  });
}

void FakeEngine::LetFollowersWait() {
  std::lock_guard lock(mutex_);
  followers_wait_ = true;
}

void FakeEngine::SetClusterStatus(v1::StatusResponse status) {
  std::lock_guard lock(mutex_);
  cluster_status_ = std::move(status);
}

core::NewRequest FakeEngine::last_request() const {
  std::lock_guard lock(mutex_);
  return requests_.empty() ? core::NewRequest() : requests_.back();
}

std::vector<core::NewRequest> FakeEngine::requests() const {
  std::lock_guard lock(mutex_);
  return requests_;
}

int FakeEngine::num_submitted() const {
  std::lock_guard lock(mutex_);
  return num_submitted_;
}

int FakeEngine::num_taken_back() const {
  std::lock_guard lock(mutex_);
  return num_taken_back_;
}

int FakeEngine::num_open() const {
  std::lock_guard lock(mutex_);
  return int(running_.size());
}

bool FakeEngine::WaitForCancels(int count) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return num_cancelled_ >= count; });
}

bool FakeEngine::WaitForSubmissions(int count) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return num_submitted_ >= count; });
}

absl::Status FakeEngine::Submit(core::NewRequest request,
                                std::shared_ptr<core::RequestListener> listener) {
  std::unique_lock lock(mutex_);
  if (followers_wait_ && request.follows != 0) {
    changed_.wait_for(lock, kPatience, [&] { return num_cancelled_ > 0; });
  }
  if (!submit_status_.ok() && num_taken_before_-- <= 0) return submit_status_;
  if (request.num_following > 0) kept_[request.id] = request.num_following;
  if (const auto it = kept_.find(request.follows); it != kept_.end()) --it->second;
  requests_.push_back(request);
  ++num_submitted_;
  const core::RequestId id = request.id;
  const size_t number = next_answer_ ? (*next_answer_)++ : size_t(request.sampling.choice());
  FakeAnswer answer = answers_[number % answers_.size()];
  running_.emplace(id, std::make_shared<Running>(Running{.request = std::move(request),
                                                         .listener = std::move(listener),
                                                         .answer = std::move(answer)}));
  changed_.notify_all();
  return absl::OkStatus();
}

void FakeEngine::Cancel(core::RequestId id) {
  {
    std::lock_guard lock(mutex_);
    if (const auto kept = kept_.extract(id)) num_taken_back_ += kept.mapped();
    changed_.notify_all();
  }
  Stop(id);
}

void FakeEngine::Stop(core::RequestId id) {
  std::lock_guard lock(mutex_);
  const auto it = running_.find(id);
  if (it == running_.end() || it->second->cancelled) return;
  it->second->cancelled = true;
  ++num_cancelled_;
  changed_.notify_all();
}

v1::StatusResponse FakeEngine::Status() const {
  std::lock_guard lock(mutex_);
  return cluster_status_;
}

// Position p has the log probability -p.
void FakeEngine::SendPromptLogprobs(const Running& running) {
  const core::NewRequest& request = running.request;
  if (!request.sampling.has_prompt_logprobs()) return;
  for (int32_t position = 1; position < std::ssize(request.prompt_tokens); ++position) {
    running.listener->OnPromptToken(
        {.position = position,
         .logprob = -float(position),
         .top = Likeliest(request.sampling.prompt_logprobs()),
         .full = Full(request.sampling.prompt_logprobs(), running.answer.vocab_size)});
  }
}

bool FakeEngine::Step(Running& running) {
  const core::NewRequest& request = running.request;
  const FakeAnswer& answer = running.answer;
  const auto finish = [&](core::FinishReason reason, absl::Status status = absl::OkStatus()) {
    running.listener->OnFinish(MakeFinish(reason, std::move(status), request, running.num_done));
    return true;
  };
  if (answer.ending == FakeAnswer::Ending::kRefuse) {
    return finish(core::FinishReason::kError, answer.error);
  }
  if (running.num_done == 0) {
    running.listener->OnAdmitted();
    running.listener->OnStarted();
    SendPromptLogprobs(running);
    running.listener->OnPromptDone(answer.num_cached_tokens);
  }
  const bool at_end = running.num_done >= answer.tokens.size();
  if (at_end && answer.ending == FakeAnswer::Ending::kHang) return false;
  if (at_end && answer.ending == FakeAnswer::Ending::kFinish) {
    return finish(core::FinishReason::kStop);
  }
  if (at_end && answer.ending == FakeAnswer::Ending::kFail) {
    return finish(core::FinishReason::kError, answer.error);
  }
  const int32_t token = answer.tokens[running.num_done % answer.tokens.size()];
  ++running.num_done;
  running.listener->OnToken({.token = token,
                             .logprob = answer.logprob,
                             .top = Likeliest(request.sampling.top_logprobs()),
                             .full = Full(request.sampling.top_logprobs(), answer.vocab_size)});
  const auto& stops = request.stop_token_ids;
  if (std::find(stops.begin(), stops.end(), token) != stops.end()) {
    return finish(core::FinishReason::kStop);
  }
  if (int64_t(running.num_done) >= request.max_tokens) return finish(core::FinishReason::kLength);
  return false;
}

void FakeEngine::Loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    const auto has_work = [&] {
      return std::any_of(running_.begin(), running_.end(), [](const auto& entry) {
        const Running& r = *entry.second;
        return r.cancelled || r.num_done < r.answer.tokens.size() ||
               r.answer.ending != FakeAnswer::Ending::kHang;
      });
    };
    changed_.wait(lock, [&] { return stopping_ || has_work(); });
    if (stopping_) return;
    const auto turn = running_;
    for (const auto& [id, running] : turn) {
      const bool cancelled = running->cancelled;
      lock.unlock();
      bool over = cancelled;
      if (cancelled) {
        running->listener->OnFinish(MakeFinish(core::FinishReason::kStop, absl::OkStatus(),
                                               running->request, running->num_done));
      } else {
        over = Step(*running);
      }
      lock.lock();
      if (over) running_.erase(id);
    }
    changed_.notify_all();
  }
}

}  // namespace switchyard::testing
