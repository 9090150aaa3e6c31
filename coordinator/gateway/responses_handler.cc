#include "coordinator/gateway/responses_handler.h"

#include <absl/strings/numbers.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "base/check.h"
#include "coordinator/gateway/chat_spec.h"
#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/reply_headers.h"
#include "coordinator/gateway/responses_answer.h"
#include "coordinator/gateway/responses_input.h"
#include "coordinator/gateway/responses_sink.h"
#include "coordinator/gateway/sse_writer.h"

namespace switchyard::gateway {
namespace {

constexpr std::string_view kOneRoute = "/v1/responses/";  // and an id behind it

ResponsesStore::TimePoint Now() { return std::chrono::steady_clock::now(); }

// "ID", or "ID/WHAT".
struct Target {
  std::string id;
  std::string what;
};
Target TargetOf(const HttpRequest& request) {
  const std::string rest = request.path.substr(kOneRoute.size());
  const size_t slash = rest.find('/');
  if (slash == rest.npos) return {.id = rest};
  return {.id = rest.substr(0, slash), .what = rest.substr(slash + 1)};
}

absl::Status NoSuchPath(const HttpRequest& request) {
  return absl::NotFoundError(
      fmt::format("there is nothing at {} {}", request.method, request.path.substr(0, 200)));
}

// The value of `name` in "a=1&b=2"; empty if it is not there.
std::string QueryValue(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.substr(0, pair.find('=')) == name && pair.size() > name.size()) {
      return std::string(pair.substr(name.size() + 1));
    }
  }
  return "";
}

// What the store holds was written by this process.
Json Parsed(const std::string& text) {
  absl::StatusOr<Json> json = ParseJson(text);
  SY_CHECK(json.ok()) << json.status();
  return *std::move(json);
}

// A page of a request's items, the newest first unless the query asks otherwise.
absl::StatusOr<Json> ItemPage(const StoredResponse& record, const std::string& query) {
  int32_t limit = 20;
  const std::string limit_text = QueryValue(query, "limit");
  if (!limit_text.empty() && (!absl::SimpleAtoi(limit_text, &limit) || limit < 1 || limit > 100)) {
    return ParamError("limit", "'limit' must be between 1 and 100");
  }
  const std::string order = QueryValue(query, "order");
  if (!order.empty() && order != "asc" && order != "desc") {
    return ParamError("order", "'order' must be asc or desc");
  }
  const Json all = Parsed(record.input);
  std::vector<Json> items(all.begin(), all.end());
  if (order != "asc") std::reverse(items.begin(), items.end());
  auto begin = items.begin();
  if (const std::string after = QueryValue(query, "after"); !after.empty()) {
    begin =
        std::find_if(items.begin(), items.end(), [&](const Json& i) { return i["id"] == after; });
    if (begin == items.end()) return ParamError("after", "'after' names no item of this response");
    ++begin;
  }
  const auto end = begin + std::min<ptrdiff_t>(limit, items.end() - begin);
  const Json page(std::vector<Json>(begin, end));
  return Json{{"object", "list"},
              {"data", page},
              {"first_id", page.empty() ? Json("") : page.front()["id"]},
              {"last_id", page.empty() ? Json("") : page.back()["id"]},
              {"has_more", end != items.end()}};
}

}  // namespace

void ResponsesHandler::AddRoutes(HttpRouter& router) {
  Add({.path = kResponsesRoute, .method = "POST"}, &ResponsesHandler::Create, router);
  Add({.path = kOneRoute, .is_prefix = true, .method = "GET"}, &ResponsesHandler::Get, router);
  Add({.path = kOneRoute, .is_prefix = true, .method = "DELETE"}, &ResponsesHandler::Delete,
      router);
  Add({.path = kOneRoute, .is_prefix = true, .method = "POST"}, &ResponsesHandler::Cancel, router);
}

void ResponsesHandler::Add(HttpRoute route, Handler handler, HttpRouter& router) {
  route.handle = [this, path = route.path, handler](HttpRequest request,
                                                    std::shared_ptr<HttpReply> reply) {
    work_.Post([this, path, handler, request = std::move(request), reply = std::move(reply)] {
      const absl::Status status = (this->*handler)(request, reply);
      if (status.ok()) return;
      SendAnswer(*context_.metrics, path, *reply, ErrorResponse(InResponsesWords(status)));
    });
  };
  router.Add(std::move(route));
}

void ResponsesHandler::Answer(HttpReply& reply, std::string body) {
  SendAnswer(*context_.metrics, kOneRoute, reply, {.body = std::move(body)});
}

absl::StatusOr<Json> ResponsesHandler::Context(const std::string& tenant,
                                               const std::string& previous) {
  if (previous.empty()) return Json::array();
  const auto record = store_.Get(tenant, previous, Now());
  if (!record.ok()) {
    return WithParam(record.status(), "previous_response_id", "previous_response_not_found");
  }
  if ((*record)->under_way) {
    return ParamError("previous_response_id", "the response to go on from is not finished");
  }
  Json items = Parsed((*record)->context);
  const Json input = Parsed((*record)->input);
  const Json response = Parsed((*record)->response);
  for (const Json& item : input) items.push_back(item);
  for (const Json& item : response["output"]) items.push_back(item);
  return items;
}

absl::Status ResponsesHandler::Create(const HttpRequest& request,
                                      const std::shared_ptr<HttpReply>& reply) {
  SY_ASSIGN_OR_RETURN(const ResponsesRequest wanted, ParseResponsesRequest(request.body));
  SY_ASSIGN_OR_RETURN(const Json context, Context(request.tenant, wanted.previous));
  if (TakesArgumentsAsValues(*context_.model)) {
    SY_RETURN_IF_ERROR(CheckCallArguments(wanted.input));
    const absl::Status status = CheckCallArguments(context);
    if (!status.ok()) {
      return ParamError("previous_response_id",
                        "the response to go on from was cut within a call, whose arguments are no "
                        "JSON: send its items as 'input', without that call");
    }
  }
  SY_ASSIGN_OR_RETURN(ChatCompletionRequest chat, ToChatRequest(wanted, context));
  SY_ASSIGN_OR_RETURN(CompletionSpec spec, Fit(wanted, OriginOf(request), &chat));
  return Start(wanted, context, std::move(spec),
               NameIgnoredFields(reply, IgnoredFields(*context_.model, chat)));
}

absl::StatusOr<CompletionSpec> ResponsesHandler::Fit(const ResponsesRequest& wanted,
                                                     const RequestOrigin& origin,
                                                     ChatCompletionRequest* chat) {
  absl::StatusOr<CompletionSpec> spec = BuildChatSpec(context_, *chat, origin);
  const auto is_too_long = [](const absl::StatusOr<CompletionSpec>& tried) {
    return !tried.ok() && ErrorObject(tried.status())["error"]["code"] == kContextLengthExceeded;
  };
  if (!wanted.truncate || !is_too_long(spec)) return spec;
  // Turns begin with a user's message; what stands before the first of them (instructions) stays.
  const Json messages = chat->chat.messages;
  std::vector<size_t> turns;
  for (size_t i = 0; i < messages.size(); ++i) {
    if (messages[i]["role"] == "user") turns.push_back(i);
  }
  size_t fewest = 1;  // turns left out, if any number is enough
  for (size_t most = turns.size(); fewest < most;) {
    const size_t num_left_out = (fewest + most) / 2;
    chat->chat.messages = Json::array();
    for (size_t i = 0; i < messages.size(); ++i) {
      const bool is_left_out = i >= turns[0] && i < turns[num_left_out];
      if (!is_left_out) chat->chat.messages.push_back(messages[i]);
    }
    absl::StatusOr<CompletionSpec> shorter = BuildChatSpec(context_, *chat, origin);
    if (shorter.ok()) {
      most = num_left_out;
      spec = std::move(shorter);
    } else {
      if (!is_too_long(shorter)) return shorter;
      fewest = num_left_out + 1;
    }
  }
  return spec;
}

absl::Status ResponsesHandler::Start(const ResponsesRequest& wanted, const Json& context,
                                     CompletionSpec spec, const std::shared_ptr<HttpReply>& reply) {
  Json response = MakeResponseObject(*context_.model, EchoedFields(wanted), "in_progress");
  StoredResponse record = {.id = response["id"],
                           .tenant = spec.scheduling.tenant,
                           .response = DumpJson(response),
                           .input = DumpJson(wanted.input),
                           .context = DumpJson(context)};
  ResponseTarget target = {.reply = reply,
                           .stream = wanted.stream,
                           .background = wanted.background,
                           .record = std::move(record),
                           .store = wanted.store ? &store_ : nullptr,
                           .metrics = context_.metrics};
  SY_ASSIGN_OR_RETURN(const auto completion,
                      Completion::Start(context_, std::move(spec),
                                        MakeResponseSink(std::move(response), std::move(target))));
  if (wanted.background) return absl::OkStatus();
  reply->OnDisconnect([weak = std::weak_ptr(completion)] {
    if (const auto running = weak.lock()) running->Cancel();
  });
  return absl::OkStatus();
}

absl::StatusOr<std::string> ResponsesHandler::Current(
    const std::shared_ptr<const StoredResponse>& record) {
  if (!record->under_way) return record->response;
  if (const auto running = record->running.lock()) return running->Snapshot();
  SY_ASSIGN_OR_RETURN(const auto ended, store_.Get(record->tenant, record->id, Now()));
  return ended->response;
}

absl::Status ResponsesHandler::Get(const HttpRequest& request,
                                   const std::shared_ptr<HttpReply>& reply) {
  const auto [id, what] = TargetOf(request);
  if (!what.empty() && what != "input_items") return NoSuchPath(request);
  SY_ASSIGN_OR_RETURN(const auto record, store_.Get(request.tenant, id, Now()));
  if (what == "input_items") {
    SY_ASSIGN_OR_RETURN(const Json page, ItemPage(*record, request.query));
    Answer(*reply, DumpJson(page));
    return absl::OkStatus();
  }
  if (QueryValue(request.query, "stream") == "true") {
    return ParamError("stream", "a response that is asked for again is not streamed",
                      kUnsupportedParameter);
  }
  SY_ASSIGN_OR_RETURN(std::string response, Current(record));
  Answer(*reply, std::move(response));
  return absl::OkStatus();
}

absl::Status ResponsesHandler::Delete(const HttpRequest& request,
                                      const std::shared_ptr<HttpReply>& reply) {
  const auto [id, what] = TargetOf(request);
  if (!what.empty()) return NoSuchPath(request);
  SY_ASSIGN_OR_RETURN(const auto record, store_.Delete(request.tenant, id, Now()));
  if (const auto running = record->running.lock()) running->Cancel();
  Answer(*reply, DumpJson({{"id", id}, {"object", "response"}, {"deleted", true}}));
  return absl::OkStatus();
}

absl::Status ResponsesHandler::Cancel(const HttpRequest& request,
                                      const std::shared_ptr<HttpReply>& reply) {
  const auto [id, what] = TargetOf(request);
  if (what != "cancel") return NoSuchPath(request);
  SY_ASSIGN_OR_RETURN(const auto record, store_.Get(request.tenant, id, Now()));
  if (Parsed(record->response)["background"] != true) {
    return absl::InvalidArgumentError("only a response in the background can be cancelled");
  }
  if (const auto running = record->running.lock()) running->Cancel();
  SY_ASSIGN_OR_RETURN(std::string response, Current(record));
  Answer(*reply, std::move(response));
  return absl::OkStatus();
}

}  // namespace switchyard::gateway
