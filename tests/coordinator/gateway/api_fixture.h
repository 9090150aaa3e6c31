// The gateway as a whole over a fake engine, with the bundled model's tokenizer and chat template.
#ifndef SWITCHYARD_TESTS_COORDINATOR_GATEWAY_API_FIXTURE_H_
#define SWITCHYARD_TESTS_COORDINATOR_GATEWAY_API_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/gateway/completion.h"
#include "coordinator/gateway/http_api.h"
#include "coordinator/gateway/http_server.h"
#include "coordinator/gateway/io_threads.h"
#include "tests/testing/fake_engine.h"
#include "tests/testing/http_client.h"

namespace switchyard::gateway {

inline constexpr int32_t kEos = 1;

// The bundled model, loaded once: name "tiny-r1", a context of 64 tokens, defaults 0.6 / 0.95 / 0.
const ServedModel& TinyModel();

// The ids of plain text.
std::vector<int32_t> Tokens(std::string_view text);
// The same, and the end of the answer.
std::vector<int32_t> TokensThenEos(std::string_view text);

class ApiFixture : public ::testing::Test {
 protected:
  ApiFixture() { context_.engine = engine_.get(); }
  ~ApiFixture() override;

  // Serves the tokens, template and marks of another bundled model. Before StartHttp.
  void UseModel(const std::string& name);
  void StartHttp(HttpServerOptions options = {});
  // One request on a connection of its own.
  testing::HttpAnswer Ask(std::string_view request);
  // The JSON chunks of a streamed answer; the stream must end with [DONE].
  std::vector<Json> Stream(const char* path, std::string_view body);
  // What the model answers: marks in `text` are tokens.
  void SetText(std::string_view text);
  Json AskJson(std::string_view path, std::string_view body, int expected_status = 200);

  ServedModel model_ = TinyModel();
  GatewayMetrics metrics_;
  CompletionContext context_{.model = &model_,
                             .engine = nullptr,
                             .executor = &io_,
                             .slow_executor = &slow_,
                             .metrics = &metrics_};
  IoThreads io_{2};
  IoThreads work_{2};
  IoThreads slow_{1};
  Executor* work_executor_ = &work_;  // as StartHttp finds it
  std::unique_ptr<testing::FakeEngine> engine_ = std::make_unique<testing::FakeEngine>();
  HttpAccess access_;  // as StartHttp finds it
  std::unique_ptr<HttpApi> api_;
  std::unique_ptr<HttpServer> http_;
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_TESTS_COORDINATOR_GATEWAY_API_FIXTURE_H_
