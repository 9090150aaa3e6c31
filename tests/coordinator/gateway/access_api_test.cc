// Who may ask over HTTP: keys, tenants, and pages of other origins.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>

#include "base/file.h"
#include "tests/coordinator/gateway/api_fixture.h"

namespace switchyard::gateway {
namespace {

using switchyard::testing::HttpAnswer;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kKey[] = "sk-alice-0123456789abcdef";
constexpr char kChat[] = "/v1/chat/completions";
constexpr char kMessages[] = "/v1/messages";
constexpr char kBody[] =
    R"({"model":"tiny-r1","max_tokens":4,"messages":[{"role":"user","content":"Hi"}]})";

class AccessApiTest : public ApiFixture {
 protected:
  void UseKeys(std::string_view text) {
    char path[] = "/tmp/sy_access_XXXXXX";
    close(mkstemp(path));
    ASSERT_TRUE(WriteFile(path, text).ok());
    auto keys = KeyFile::Open(path, [](const std::string&) {});
    std::remove(path);
    ASSERT_TRUE(keys.ok()) << keys.status();
    keys_ = *std::move(keys);
    access_.keys = context_.keys = keys_.get();
  }
  void SetUp() override {
    UseKeys(fmt::format(R"({{"keys":[{{"key":"{}","tenant":"alice","weight":3}}]}})", kKey));
    engine_->SetAnswer({.tokens = TokensThenEos("x")});
  }

  HttpAnswer Send(std::string_view method, std::string_view path, std::string_view headers,
                  std::string_view body = "") {
    return Ask(fmt::format("{} {} HTTP/1.1\r\nHost: t\r\nContent-Length: {}\r\n{}\r\n{}", method,
                           path, body.size(), headers, body));
  }
  HttpAnswer Chat(std::string_view headers) { return Send("POST", kChat, headers, kBody); }

  std::unique_ptr<KeyFile> keys_;
};

TEST_F(AccessApiTest, AKeyLetsItsTenantInByItsWeight) {
  StartHttp();
  for (const char* headers :
       {"Authorization: Bearer sk-alice-0123456789abcdef\r\n",
        "authorization: bearer  sk-alice-0123456789abcdef\r\n",
        "x-api-key: sk-alice-0123456789abcdef\r\n",
        "Authorization: Basic eDp5\r\nX-Api-Key: sk-alice-0123456789abcdef\r\n",
        "X-Tenant: alice\r\nx-api-key: sk-alice-0123456789abcdef\r\n"}) {
    EXPECT_EQ(Chat(headers).status, 200) << headers;
    EXPECT_EQ(engine_->last_request().tenant, "alice") << headers;
    EXPECT_EQ(engine_->last_request().weight, 3) << headers;
  }
}

TEST_F(AccessApiTest, WithoutAGoodKeyNothingIsAnswered) {
  StartHttp();
  for (const char* headers :
       {"", "Authorization: Bearer \r\n", "Authorization: Bearer sk-alice-0123456789abcdeX\r\n",
        "Authorization: sk-alice-0123456789abcdef\r\n", "x-api-key: no\r\n"}) {
    for (const auto& [method, path] :
         {std::pair("POST", kChat), std::pair("POST", "/v1/completions"),
          std::pair("GET", "/v1/models"), std::pair("GET", "/v1/models/tiny-r1"),
          std::pair("POST", "/tokenize"), std::pair("GET", "/load"),
          std::pair("GET", "/version")}) {
      const HttpAnswer answer = Send(method, path, headers, "{}");
      EXPECT_EQ(answer.status, 401) << path << headers;
      EXPECT_EQ(answer.headers.at("www-authenticate"), "Bearer");
      const Json error = ParseJson(answer.body).value()["error"];
      EXPECT_EQ(error["type"], "authentication_error") << answer.body;
      EXPECT_EQ(error["code"], "invalid_api_key") << answer.body;
      EXPECT_THAT(answer.body, Not(HasSubstr("sk-"))) << "a key is never repeated";
    }
  }
  EXPECT_EQ(engine_->num_submitted(), 0);
}

// Else whoever has none could make a thousand connections keep 8 MiB each.
TEST_F(AccessApiTest, WithoutAGoodKeyNoBodyIsReadEither) {
  StartHttp();
  const auto head = [](std::string_view path, std::string_view more) {
    return fmt::format("POST {} HTTP/1.1\r\nHost: t\r\nContent-Length: 8000000\r\n{}\r\n", path,
                       more);
  };
  EXPECT_EQ(Ask(head(kChat, "")).status, 401);
  const HttpAnswer answer = Ask(head(kMessages, "x-api-key: wrong\r\n"));
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(ParseJson(answer.body).value()["type"], "error") << answer.body;
  const std::string key = fmt::format("x-api-key: {}\r\n", kKey);
  EXPECT_EQ(Ask(head(kChat, key + "Content-Encoding: gzip\r\n")).status, 415);
  EXPECT_EQ(Ask(head("/v1/nothing", key)).status, 404);
  const std::string text = Ask("GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n").body;
  EXPECT_THAT(text,
              HasSubstr(R"(switchyard_http_responses_total{route="/v1/messages",status="401"} 1)"));
}

TEST_F(AccessApiTest, MessagesRefuseInTheirOwnShape) {
  StartHttp();
  for (const char* path : {kMessages, "/v1/messages/count_tokens"}) {
    const HttpAnswer answer = Send("POST", path, "x-api-key: wrong\r\n", kBody);
    EXPECT_EQ(answer.status, 401);
    const Json body = ParseJson(answer.body).value();
    EXPECT_EQ(body["type"], "error") << answer.body;
    EXPECT_EQ(body["error"]["type"], "authentication_error") << answer.body;
  }
  const HttpAnswer answer =
      Send("POST", kMessages, "x-api-key: sk-alice-0123456789abcdef\r\n", kBody);
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(engine_->last_request().tenant, "alice");
}

TEST_F(AccessApiTest, AnotherTenantsNameIsRefused) {
  StartHttp();
  const HttpAnswer answer = Chat("X-Tenant: bob\r\nx-api-key: sk-alice-0123456789abcdef\r\n");
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(ParseJson(answer.body).value()["error"]["type"], "permission_error") << answer.body;
  EXPECT_EQ(engine_->num_submitted(), 0);
}

TEST_F(AccessApiTest, ProbesAndMetricsNeedNoKey) {
  StartHttp();
  for (const char* path : {"/livez", "/readyz", "/startupz", "/health", "/ping", "/metrics"}) {
    EXPECT_EQ(Send("GET", path, "").status, 200) << path;
  }
}

TEST_F(AccessApiTest, MetricsNeedAKeyWhereTheOperatorSaysSo) {
  access_.metrics_need_key = true;
  StartHttp();
  EXPECT_EQ(Send("GET", "/metrics", "").status, 401);
  EXPECT_EQ(Send("GET", "/metrics", "x-api-key: sk-alice-0123456789abcdef\r\n").status, 200);
  EXPECT_EQ(Send("GET", "/health", "").status, 200);
}

TEST_F(AccessApiTest, WithoutKeysATenantIsWhoItSays) {
  access_.keys = context_.keys = nullptr;
  StartHttp();
  EXPECT_EQ(Chat("X-Tenant: bob\r\nAuthorization: Bearer any\r\n").status, 200);
  EXPECT_EQ(engine_->last_request().tenant, "bob");
  EXPECT_EQ(engine_->last_request().weight, 1);
}

// ---- Pages of other origins

class CorsTest : public AccessApiTest {
 protected:
  void Allow(std::vector<std::string> origins, HttpServerOptions options = {}) {
    auto cors = CorsPolicy::Create(std::move(origins));
    ASSERT_TRUE(cors.ok()) << cors.status();
    access_.cors = *std::move(cors);
    StartHttp(std::move(options));
  }
};

TEST_F(CorsTest, ANamedPageMayAskAndRead) {
  Allow({"https://chat.example.com", "http://localhost:3000"});
  const HttpAnswer preflight =
      Send("OPTIONS", kChat,
           "Origin: http://localhost:3000\r\nAccess-Control-Request-Method: POST\r\n"
           "Access-Control-Request-Headers: authorization, content-type, x-stainless-lang\r\n");
  EXPECT_EQ(preflight.status, 204) << "without a key: browsers send none with this";
  EXPECT_EQ(preflight.headers.at("access-control-allow-origin"), "http://localhost:3000");
  EXPECT_EQ(preflight.headers.at("access-control-allow-methods"), "POST, OPTIONS");
  EXPECT_EQ(preflight.headers.at("access-control-allow-headers"),
            "authorization, content-type, x-stainless-lang");
  EXPECT_EQ(preflight.headers.at("access-control-max-age"), "600");
  EXPECT_EQ(preflight.headers.at("vary"), "Origin");

  const std::string origin = "Origin: https://chat.example.com\r\n";
  const HttpAnswer answer = Chat(origin + "x-api-key: sk-alice-0123456789abcdef\r\n");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.at("access-control-allow-origin"), "https://chat.example.com");
  EXPECT_THAT(answer.headers.at("access-control-expose-headers"), HasSubstr("Retry-After"));
  const HttpAnswer refused = Chat(origin);
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.headers.at("access-control-allow-origin"), "https://chat.example.com")
      << "a script must be able to read why";
}

TEST_F(CorsTest, AStreamsHeadHasTheHeadersToo) {
  Allow({"*"});
  const HttpAnswer answer =
      Send("POST", kChat, "Origin: https://any.where\r\nx-api-key: sk-alice-0123456789abcdef\r\n",
           R"({"stream":true,"messages":[{"role":"user","content":"Hi"}]})");
  EXPECT_THAT(answer.headers.at("content-type"), HasSubstr("text/event-stream"));
  EXPECT_EQ(answer.headers.at("access-control-allow-origin"), "*");
  EXPECT_EQ(answer.headers.count("vary"), 0u);
}

TEST_F(CorsTest, WhatTheTransportRefusesMayBeReadToo) {
  HttpServerOptions options = {.read_timeout = std::chrono::milliseconds(50)};
  options.limits.max_body_bytes = 20;
  Allow({"https://chat.example.com"}, options);
  std::string many;
  for (int i = 0; i < 101; ++i) many += fmt::format("X-{}: y\r\n", i);
  const std::pair<int, std::string> cases[] = {{413, "Content-Length: 21\r\n"},
                                               {431, many},
                                               {408, "Content-Length: 9\r\n"},
                                               {501, "Transfer-Encoding: gzip\r\n"},
                                               {400, "Host: again\r\n"}};
  for (const auto& [status, headers] : cases) {
    const auto ask = [&, headers = headers](const char* origin) {
      return Ask(fmt::format("POST {} HTTP/1.1\r\nHost: t\r\nx-api-key: {}\r\nOrigin: {}\r\n{}\r\n",
                             kChat, kKey, origin, headers));
    };
    const HttpAnswer answer = ask("https://chat.example.com");
    EXPECT_EQ(answer.status, status) << answer.body;
    ASSERT_EQ(answer.headers.count("access-control-allow-origin"), 1u) << status;
    EXPECT_EQ(answer.headers.at("access-control-allow-origin"), "https://chat.example.com");
    EXPECT_EQ(answer.headers.at("vary"), "Origin");
    EXPECT_EQ(ask("https://evil.example.com").headers.count("access-control-allow-origin"), 0u);
  }
}

TEST_F(CorsTest, OtherPagesGetNoHeaders) {
  Allow({"https://chat.example.com"});
  for (const char* origin : {"", "Origin: https://evil.example.com\r\n", "Origin: null\r\n",
                             "Origin: https://chat.example.com.evil.org\r\n"}) {
    const HttpAnswer answer =
        Send("OPTIONS", kChat, fmt::format("{}Access-Control-Request-Method: POST\r\n", origin));
    EXPECT_EQ(answer.status, 204);
    EXPECT_EQ(answer.headers.count("access-control-allow-origin"), 0u) << origin;
    EXPECT_EQ(answer.headers.count("access-control-allow-methods"), 0u) << origin;
    EXPECT_EQ(answer.headers.at("vary"), "Origin") << "a cache must not mix the two up";
  }
}

TEST_F(CorsTest, IsOffUnlessAskedFor) {
  StartHttp();
  const HttpAnswer answer = Send("OPTIONS", kChat, "Origin: https://chat.example.com\r\n");
  EXPECT_EQ(answer.headers.at("allow"), "POST, OPTIONS");
  EXPECT_EQ(answer.headers.count("access-control-allow-origin"), 0u);
  EXPECT_EQ(answer.headers.count("vary"), 0u);
}

TEST_F(CorsTest, NothingButHeaderNamesIsSentBack) {
  Allow({"*"});
  const HttpAnswer answer = Send("OPTIONS", kChat,
                                 "Origin: https://a.b\r\nAccess-Control-Request-Method: POST\r\n"
                                 "Access-Control-Request-Headers: x<script>\r\n");
  EXPECT_EQ(answer.headers.count("access-control-allow-headers"), 0u);
}

TEST(CorsPolicy, TakesOriginsOnly) {
  for (const char* good : {"*", "https://a.b", "http://127.0.0.1:80", "http://[::1]:3000"}) {
    EXPECT_TRUE(CorsPolicy::Create({good}).ok()) << good;
  }
  for (const char* bad : {"", "a.b", "https://", "https://a.b/", "https://A.b", "https://a b",
                          "https://a.b\r\nX: y", "null"}) {
    EXPECT_EQ(CorsPolicy::Create({bad}).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

}  // namespace
}  // namespace switchyard::gateway
