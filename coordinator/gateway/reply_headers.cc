#include "coordinator/gateway/reply_headers.h"

#include <fmt/format.h>

#include <functional>
#include <string>
#include <utility>

#include "base/json.h"

namespace switchyard::gateway {
namespace {

constexpr size_t kMaxNameBytes = 40;      // of a field's name
constexpr size_t kMaxWarningBytes = 400;  // names stop when they have come to so many

class ReplyWithHeaders final : public HttpReply {
 public:
  ReplyWithHeaders(std::shared_ptr<HttpReply> reply, HttpHeaders headers)
      : reply_(std::move(reply)), headers_(std::move(headers)) {}

  void Send(HttpResponse response) override { reply_->Send(Extend(std::move(response))); }
  void StartStream(HttpResponse head) override { reply_->StartStream(Extend(std::move(head))); }
  void Write(std::string bytes) override { reply_->Write(std::move(bytes)); }
  void EndStream() override { reply_->EndStream(); }
  void AllowMore(int64_t num_bytes, std::shared_ptr<const void> held) override {
    reply_->AllowMore(num_bytes, std::move(held));
  }
  void OnDisconnect(std::function<void()> callback) override {
    reply_->OnDisconnect(std::move(callback));
  }

 private:
  HttpResponse Extend(HttpResponse response) const {
    response.headers.insert(response.headers.end(), headers_.begin(), headers_.end());
    return response;
  }

  const std::shared_ptr<HttpReply> reply_;
  const HttpHeaders headers_;
};

// ASCII without control characters, so that it can stand in a header.
std::string Quoted(const std::string& name) {
  const bool is_long = name.size() > kMaxNameBytes;
  return Json(is_long ? name.substr(0, kMaxNameBytes) + "..." : name)
      .dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
}

}  // namespace

std::shared_ptr<HttpReply> WithHeaders(std::shared_ptr<HttpReply> reply, HttpHeaders headers) {
  return std::make_shared<ReplyWithHeaders>(std::move(reply), std::move(headers));
}

std::string WarningOfIgnored(const std::vector<std::string>& names) {
  std::string warning;
  size_t num_named = 0;
  for (const std::string& name : names) {
    if (warning.size() > kMaxWarningBytes) break;
    warning += fmt::format("{}field {} ignored", warning.empty() ? "" : ", ", Quoted(name));
    ++num_named;
  }
  if (num_named < names.size()) {
    warning += fmt::format(", and {} more", names.size() - num_named);
  }
  return warning;
}

std::shared_ptr<HttpReply> NameIgnoredFields(std::shared_ptr<HttpReply> reply,
                                             const std::vector<std::string>& names) {
  if (names.empty()) return reply;
  return WithHeaders(std::move(reply), {{kWarningHeader, WarningOfIgnored(names)}});
}

}  // namespace switchyard::gateway
