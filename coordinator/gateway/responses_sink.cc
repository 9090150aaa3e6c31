#include "coordinator/gateway/responses_sink.h"

#include <chrono>
#include <optional>
#include <utility>

#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/http_router.h"
#include "coordinator/gateway/responses_answer.h"
#include "coordinator/gateway/responses_types.h"
#include "coordinator/gateway/sse_writer.h"

namespace switchyard::gateway {
namespace {

class ResponseSink final : public CompletionSink {
 public:
  ResponseSink(Json response, ResponseTarget target)
      : target_(std::move(target)), writer_(std::move(response), Listener()) {
    if (target_.stream) events_.emplace(target_.reply);
  }

  // What runs in the background is answered as soon as it has its place in the queue.
  void OnAdmitted(const std::shared_ptr<Completion>& completion) override {
    if (!target_.background) return;
    admitted_ = true;
    StoredResponse record = target_.record;
    record.under_way = true;
    record.running = completion;
    target_.store->Put(std::move(record), std::chrono::steady_clock::now());
    if (target_.stream) return Begin();
    SendAnswer(*target_.metrics, kResponsesRoute, *target_.reply,
               {.body = target_.record.response});
  }

  void OnDelta(CompletionDelta delta) override {
    Begin();
    writer_.Add(delta);
  }

  void OnEnd(const CompletionEnd& end) override {
    const bool is_open = admitted_ || (target_.stream && events_->started());
    if (!end.status.ok() && !is_open) {
      return SendAnswer(*target_.metrics, kResponsesRoute, *target_.reply,
                        ErrorResponse(InResponsesWords(end.status)));
    }
    Begin();
    writer_.End(end);
    Keep(end);
    if (target_.stream) return events_->End();
    if (admitted_) return;
    SendAnswer(*target_.metrics, kResponsesRoute, *target_.reply,
               {.body = DumpJson(writer_.response())});
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

  void Begin() {
    if (std::exchange(begun_, true)) return;
    if (target_.stream) target_.metrics->CountResponse(kResponsesRoute, 200);
    writer_.Begin();
  }

  // What failed is of no use unless somebody asks for it later.
  void Keep(const CompletionEnd& end) {
    if (target_.store == nullptr || (!end.status.ok() && !target_.background)) return;
    StoredResponse record = target_.record;
    record.response = DumpJson(writer_.response());
    const auto now = std::chrono::steady_clock::now();
    if (!target_.background) return target_.store->Put(std::move(record), now);
    target_.store->Replace(std::move(record), now);
  }

  const ResponseTarget target_;
  ResponseWriter writer_;
  std::optional<SseWriter> events_;  // none: it is not streamed
  int num_events_ = 0;
  bool begun_ = false;
  bool admitted_ = false;  // in the background: the client has its answer
};

}  // namespace

std::shared_ptr<CompletionSink> MakeResponseSink(Json response, ResponseTarget target) {
  return std::make_shared<ResponseSink>(std::move(response), std::move(target));
}

}  // namespace switchyard::gateway
