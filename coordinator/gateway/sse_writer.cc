#include "coordinator/gateway/sse_writer.h"

namespace switchyard::gateway {

std::string DumpJson(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void SseWriter::Write(std::string event) {
  if (started_) return reply_->Write(std::move(event));
  started_ = true;
  reply_->StartStream({.content_type = "text/event-stream; charset=utf-8",
                       .headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}},
                       .body = std::move(event)});
}

void SseWriter::Done() {
  Write("data: [DONE]\n\n");
  End();
}

}  // namespace switchyard::gateway
