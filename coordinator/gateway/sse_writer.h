// JSON as the gateway sends it: one line of valid UTF-8, alone or as a server-sent event.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_SSE_WRITER_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_SSE_WRITER_H_

#include <fmt/format.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/json.h"
#include "coordinator/gateway/http_message.h"

namespace switchyard::gateway {

// Compact JSON; bytes that are not UTF-8 become U+FFFD, so that it never fails.
std::string DumpJson(const Json& json);
inline void AppendJson(const Json& json, std::string* text) { *text += DumpJson(json); }

// What an event's JSON stands behind.
inline constexpr std::string_view kSseData = "data: ";

// Writes events (`data: {...}`) to one reply. The head goes out with the first of them: until then
// the reply may still be answered with an error status. One thread at a time.
class SseWriter {
 public:
  explicit SseWriter(std::shared_ptr<HttpReply> reply) : reply_(std::move(reply)) {}

  bool started() const { return started_; }
  void Event(const Json& json) { TextEvent(std::string(kSseData) + DumpJson(json)); }
  // The same of JSON that is text already, with kSseData before it: it may be too long to be
  // copied.
  void TextEvent(std::string event) {
    event += "\n\n";
    Write(std::move(event));
  }
  // With a line `event: name`.
  void Event(std::string_view name, const Json& json) {
    Write(fmt::format("event: {}\ndata: {}\n\n", name, DumpJson(json)));
  }
  // `data: [DONE]`, and the stream's end.
  void Done();
  // The stream's end without [DONE], after an error event.
  void End() { reply_->EndStream(); }

 private:
  void Write(std::string event);

  const std::shared_ptr<HttpReply> reply_;
  bool started_ = false;
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_SSE_WRITER_H_
