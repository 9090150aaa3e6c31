#include "coordinator/gateway/sse_writer.h"

#include <fmt/format.h>

namespace switchyard::gateway {

std::string DumpJson(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void SseWriter::Data(const std::string& data) {
  std::string event = fmt::format("data: {}\n\n", data);
  if (started_) return reply_->Write(event);
  started_ = true;
  reply_->StartStream({.content_type = "text/event-stream; charset=utf-8",
                       .headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}},
                       .body = std::move(event)});
}

void SseWriter::Done() {
  Data("[DONE]");
  End();
}

}  // namespace switchyard::gateway
