// Any bytes on a connection: through the HTTP parser into the API handler, without sockets or
// threads. Each request must be answered once, with a known status and, where it is JSON, with
// JSON. The model has a tokenizer of single bytes and no chat template.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/json.h"
#include "coordinator/gateway/http_api.h"
#include "coordinator/gateway/http_parser.h"

namespace switchyard::gateway {
namespace {

class InPlace : public Executor {
 public:
  void Post(std::function<void()> work) override { work(); }
};

// A token for each byte.
class ByteTokenizer : public text::Tokenizer {
 public:
  ByteTokenizer() {
    for (int i = 0; i < 256; ++i) bytes_.push_back(std::string(1, char(i)));
  }
  absl::StatusOr<std::vector<int32_t>> Encode(std::string_view text,
                                              const text::EncodeOptions&) const override {
    std::vector<int32_t> ids;
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }
  absl::StatusOr<std::vector<int32_t>> EncodeRendered(
      const text::RenderedText& prompt) const override {
    return Encode(prompt.Text(), {});
  }
  std::string_view DecodeToken(int32_t id) const override { return bytes_[size_t(id)]; }
  bool IsSpecial(int32_t) const override { return false; }
  int32_t vocab_size() const override { return 256; }
  std::optional<int32_t> TokenToId(std::string_view) const override { return std::nullopt; }
  std::optional<int32_t> bos_id() const override { return std::nullopt; }
  std::optional<int32_t> eos_id() const override { return std::nullopt; }

 private:
  std::vector<std::string> bytes_;
};

// Answers with the prompt.
class EchoEngine : public core::Engine {
 public:
  absl::Status Submit(core::NewRequest request,
                      std::shared_ptr<core::RequestListener> listener) override {
    SY_CHECK(!request.prompt_tokens.empty());
    SY_CHECK_GE(request.max_tokens, 1);
    listener->OnAdmitted();
    const size_t count = std::min(request.prompt_tokens.size(), size_t(request.max_tokens));
    for (size_t i = 0; i < count; ++i) listener->OnToken({.token = request.prompt_tokens[i]});
    listener->OnFinish({.reason = core::FinishReason::kLength});
    return absl::OkStatus();
  }
  void Cancel(core::RequestId) override {}
  void Stop(core::RequestId) override {}
  v1::StatusResponse Status() const override { return {}; }
};

// Checks that an answer is whole and that there is one.
class CheckedReply : public HttpReply {
 public:
  ~CheckedReply() override { SY_CHECK(done_) << "a request was not answered"; }
  void Send(HttpResponse response) override {
    SY_CHECK(!begun_);
    begun_ = done_ = true;
    SY_CHECK(response.status >= 200 && response.status < 600) << response.status;
    if (response.content_type == "application/json" && !response.body.empty()) {
      SY_CHECK(ParseJson(response.body).ok()) << response.body;
    }
    FormatHttpHead(response, {.content_length = long(response.body.size())});
  }
  void StartStream(HttpResponse) override {
    SY_CHECK(!begun_);
    begun_ = true;
  }
  void Write(std::string bytes) override {
    SY_CHECK(begun_ && !done_);
    FormatHttpChunk(bytes);
  }
  void EndStream() override {
    SY_CHECK(begun_ && !done_);
    done_ = true;
  }
  void OnDisconnect(std::function<void()>) override {}

 private:
  bool begun_ = false;
  bool done_ = false;
};

struct Front {
  ByteTokenizer tokenizer;
  ServedModel model{.name = "bytes",
                    .context_length = 4096,
                    .vocab_size = 256,
                    .eos_token_ids = {0},
                    .tokenizer = &tokenizer};
  EchoEngine engine;
  InPlace in_place;
  GatewayMetrics metrics;
  CompletionContext context{
      .model = &model, .engine = &engine, .executor = &in_place, .metrics = &metrics};
  HttpApi api{context, in_place};
};

}  // namespace
}  // namespace switchyard::gateway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace switchyard::gateway;
  static Front* const front = new Front;
  constexpr HttpParserLimits kLimits{.max_header_bytes = 4096, .max_body_bytes = 65536};
  constexpr size_t kPieceBytes = 61;  // what one read from a socket might bring
  HttpParser parser(kLimits);
  for (size_t begin = 0; begin < size && !parser.error(); begin += kPieceBytes) {
    parser.Append(
        {reinterpret_cast<const char*>(data) + begin, std::min(kPieceBytes, size - begin)});
    while (auto request = parser.Next()) {
      SY_CHECK_LE(int64_t(request->body.size()), kLimits.max_body_bytes);
      front->api.Handle(*std::move(request), std::make_shared<CheckedReply>());
    }
    parser.TakeExpectContinue();
    SY_CHECK_LE(int64_t(parser.num_buffered()), kLimits.max_header_bytes + int64_t(kPieceBytes));
  }
  return 0;
}
