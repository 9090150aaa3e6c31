// From one completion's deltas to a response of the Responses API: its items, and the events that
// tell of them as they grow.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_RESPONSES_ANSWER_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_RESPONSES_ANSWER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "coordinator/gateway/completion.h"
#include "coordinator/gateway/served_model.h"

namespace switchyard::gateway {

// The object without output: a fresh id, the time of now, what `echoed` says of the request.
Json MakeResponseObject(const ServedModel& model, const Json& echoed, std::string_view status);

// Items come in the order in which the model writes them: reasoning, a message, function calls.
// One thread at a time.
class ResponseWriter {
 public:
  // An event's type and the rest of its data.
  using OnEvent = std::function<void(std::string_view type, Json data)>;

  // `on_event` may be null: nobody listens.
  ResponseWriter(Json response, OnEvent on_event)
      : response_(std::move(response)), on_event_(std::move(on_event)) {}

  // response.created, response.in_progress.
  void Begin();
  // The events of items, from output_item.added to output_item.done.
  void Add(const CompletionDelta& delta);
  // Ends the open item: response() has its end.
  void End(const CompletionEnd& end);
  // The same of an answer that nobody wants any more.
  void Cancel();
  // response.completed, response.incomplete or response.failed, behind one of these two. Of an
  // answer that was cancelled response.incomplete: the API has no event of its own for that.
  void AnnounceEnd();

  // So far; the open item has the text that has come.
  Json response() const;

 private:
  enum class Item { kNone, kReasoning, kMessage, kCall };

  void Text(Item item, const std::string& text);
  void Call(const text::ToolCall& call);
  void Open(Item item, Json object);
  void CloseItem(const char* status);
  void CloseText(Json& item);
  // With the place of the open item.
  void ItemEvent(std::string_view type, Json data);
  void Event(std::string_view type, Json data);

  Json response_;
  const OnEvent on_event_;
  Item open_ = Item::kNone;
  std::string text_;  // of the open item, or its arguments
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_RESPONSES_ANSWER_H_
