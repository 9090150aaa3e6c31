#include "coordinator/gateway/responses_sink.h"

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/http_router.h"
#include "coordinator/gateway/responses_answer.h"
#include "coordinator/gateway/responses_types.h"
#include "coordinator/gateway/sse_writer.h"

namespace switchyard::gateway {
namespace {

class ResponseSink final : public CompletionSink,
                           public RunningResponse,
                           public std::enable_shared_from_this<ResponseSink> {
 public:
  ResponseSink(Json response, ResponseTarget target)
      : target_(std::move(target)), writer_(std::move(response), Listener()) {
    if (target_.stream) events_.emplace(target_.reply);
  }

  // What runs in the background is kept and answered as soon as it has its place in the queue.
  void OnAdmitted(const std::shared_ptr<Completion>& completion) override {
    if (!target_.background) return;
    std::unique_lock lock(mutex_);
    completion_ = completion;
    StoredResponse record = target_.record;
    record.under_way = true;
    record.running = weak_from_this();
    admitted_ = target_.store->Put(std::move(record), std::chrono::steady_clock::now());
    if (admitted_) return Answer();
    over_ = true;
    lock.unlock();
    SendError(absl::ResourceExhaustedError(
        "responses in the background have all the room that there is for them; try again later"));
    completion->Cancel();
  }

  void OnDelta(CompletionDelta delta) override {
    std::lock_guard lock(mutex_);
    if (over_) return;
    Begin();
    writer_.Add(delta);
  }

  void OnEnd(const CompletionEnd& end) override {
    std::lock_guard lock(mutex_);
    if (std::exchange(over_, true)) return;
    const bool is_open = admitted_ || (target_.stream && events_->started());
    if (!end.status.ok() && !is_open) return SendError(end.status);
    Begin();
    writer_.End(end);
    Keep(end);
    if (target_.stream) return EndStream();
    if (admitted_) return;
    SendAnswer(*target_.metrics, kResponsesRoute, *target_.reply,
               {.body = DumpJson(writer_.response())});
  }

  std::string Snapshot() override {
    std::lock_guard lock(mutex_);
    return DumpJson(writer_.response());
  }

  void Cancel() override {
    std::unique_lock lock(mutex_);
    if (std::exchange(over_, true)) return;
    writer_.Cancel();
    Replace();
    if (target_.stream) EndStream();
    const std::shared_ptr<Completion> completion = completion_.lock();
    lock.unlock();
    if (completion != nullptr) completion->Cancel();
  }

 private:
  // The events' numbers; a head goes out with the first of them.
  ResponseWriter::OnEvent Listener() {
    if (!target_.stream) return nullptr;
    return [this](std::string_view type, Json data) {
      Json event = {{"type", type}, {"sequence_number", num_events_++}};
      event.update(data);
      events_->Event(type, event);
    };
  }

  // All below with the lock held, but for SendError.

  void Answer() {
    if (target_.stream) return Begin();
    SendAnswer(*target_.metrics, kResponsesRoute, *target_.reply,
               {.body = target_.record.response});
  }

  void SendError(const absl::Status& status) {
    SendAnswer(*target_.metrics, kResponsesRoute, *target_.reply,
               ErrorResponse(InResponsesWords(status)));
  }

  void Begin() {
    if (std::exchange(begun_, true)) return;
    if (target_.stream) target_.metrics->CountResponse(kResponsesRoute, 200);
    writer_.Begin();
  }

  // Once the response is kept: a client may ask for it as soon as it hears of its end.
  void EndStream() {
    writer_.AnnounceEnd();
    events_->End();
  }

  // What failed is of no use unless somebody asks for it later.
  void Keep(const CompletionEnd& end) {
    if (target_.store == nullptr || (!end.status.ok() && !target_.background)) return;
    if (target_.background) return Replace();
    StoredResponse record = target_.record;
    record.response = DumpJson(writer_.response());
    target_.store->Put(std::move(record), std::chrono::steady_clock::now());
  }

  // The end of what the store has as under way.
  void Replace() {
    StoredResponse record = target_.record;
    record.response = DumpJson(writer_.response());
    target_.store->Replace(std::move(record), std::chrono::steady_clock::now());
  }

  const ResponseTarget target_;
  std::mutex mutex_;  // guards all below
  ResponseWriter writer_;
  std::optional<SseWriter> events_;  // none: it is not streamed
  int num_events_ = 0;
  bool begun_ = false;
  bool admitted_ = false;                 // in the background: the client has its answer
  bool over_ = false;                     // nothing is written any more
  std::weak_ptr<Completion> completion_;  // once it is admitted
};

}  // namespace

std::shared_ptr<CompletionSink> MakeResponseSink(Json response, ResponseTarget target) {
  return std::make_shared<ResponseSink>(std::move(response), std::move(target));
}

}  // namespace switchyard::gateway
