#include "coordinator/gateway/answer_sinks.h"

#include <string>
#include <utility>

#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/sse_writer.h"

namespace switchyard::gateway {
namespace {

void SendAndCount(Endpoint endpoint, HttpResponse response, HttpReply& reply,
                  GatewayMetrics& metrics) {
  metrics.CountResponse(RouteName(endpoint), response.status);
  reply.Send(std::move(response));
}

class WholeAnswer : public CompletionSink {
 public:
  WholeAnswer(AnswerHead head, std::shared_ptr<HttpReply> reply, GatewayMetrics& metrics)
      : head_(std::move(head)), reply_(std::move(reply)), metrics_(metrics) {}

  void OnDelta(CompletionDelta delta) override { text_ += delta.text; }
  void OnEnd(const CompletionEnd& end) override {
    HttpResponse response;
    if (end.status.ok()) {
      response.body = DumpJson(FullAnswer(head_, text_, end));
    } else {
      response = ErrorResponse(end.status);
    }
    SendAndCount(head_.endpoint, std::move(response), *reply_, metrics_);
  }

 private:
  const AnswerHead head_;
  const std::shared_ptr<HttpReply> reply_;
  GatewayMetrics& metrics_;
  std::string text_;
};

// The head waits for the first token, so that a request which fails before it gets a true HTTP
// status.
class StreamedAnswer : public CompletionSink {
 public:
  StreamedAnswer(AnswerHead head, std::shared_ptr<HttpReply> reply, GatewayMetrics& metrics)
      : head_(std::move(head)), reply_(std::move(reply)), metrics_(metrics), writer_(reply_) {}

  void OnDelta(CompletionDelta delta) override {
    Begin();
    if (!delta.text.empty()) writer_.Event(TextChunk(head_, delta.text));
  }
  void OnEnd(const CompletionEnd& end) override {
    if (!end.status.ok()) return Fail(end.status);
    Begin();
    writer_.Event(FinishChunk(head_, end));
    if (head_.usage_chunk) writer_.Event(UsageChunk(head_, end));
    writer_.Done();
  }

 private:
  void Begin() {
    if (begun_) return;
    begun_ = true;
    metrics_.CountResponse(RouteName(head_.endpoint), 200);
    if (head_.endpoint == Endpoint::kChat) writer_.Event(RoleChunk(head_));
  }
  void Fail(const absl::Status& status) {
    if (!writer_.started()) {
      return SendAndCount(head_.endpoint, ErrorResponse(status), *reply_, metrics_);
    }
    writer_.Event(ErrorObject(status));
    writer_.End();
  }

  const AnswerHead head_;
  const std::shared_ptr<HttpReply> reply_;
  GatewayMetrics& metrics_;
  SseWriter writer_;
  bool begun_ = false;
};

}  // namespace

std::shared_ptr<CompletionSink> MakeAnswerSink(AnswerHead head, bool stream,
                                               std::shared_ptr<HttpReply> reply,
                                               GatewayMetrics& metrics) {
  if (stream) {
    return std::make_shared<StreamedAnswer>(std::move(head), std::move(reply), metrics);
  }
  return std::make_shared<WholeAnswer>(std::move(head), std::move(reply), metrics);
}

const char* RouteName(Endpoint endpoint) {
  return endpoint == Endpoint::kChat ? "/v1/chat/completions" : "/v1/completions";
}

}  // namespace switchyard::gateway
