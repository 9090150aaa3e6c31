// The HTTP transport over real sockets, with handlers that know nothing of OpenAI.
#include "coordinator/gateway/http_server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/testing/http_client.h"

namespace switchyard::gateway {
namespace {

using std::chrono::milliseconds;
using switchyard::testing::Get;
using switchyard::testing::HttpClient;
using switchyard::testing::Post;

constexpr std::chrono::seconds kPatience{20};

// Set from an I/O thread, waited for by the test.
class Event {
 public:
  void Set() {
    std::lock_guard lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  bool Wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [this] { return set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

// Keeps replies for the test to answer.
class Inbox {
 public:
  void Put(HttpRequest request, std::shared_ptr<HttpReply> reply) {
    std::lock_guard lock(mutex_);
    items_.emplace_back(std::move(request), std::move(reply));
    changed_.notify_all();
  }
  std::pair<HttpRequest, std::shared_ptr<HttpReply>> Take() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, kPatience, [this] { return !items_.empty(); })) return {};
    auto item = std::move(items_.front());
    items_.erase(items_.begin());
    return item;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::pair<HttpRequest, std::shared_ptr<HttpReply>>> items_;
};

HttpServerOptions TestOptions() {
  return {.error_body = [](int status, std::string_view, std::string_view message) {
    return fmt::format("{}|{}", status, message);
  }};
}

void Echo(HttpRequest request, std::shared_ptr<HttpReply> reply) {
  reply->Send({.content_type = "text/plain",
               .body = fmt::format("{} {}?{} [{}]", request.method, request.path, request.query,
                                   request.body)});
}

class HttpServerTest : public ::testing::Test {
 protected:
  void Start(HttpServerOptions options, HttpHandler handler) {
    auto server = HttpServer::Start(std::move(options), std::move(handler), threads_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  void StartWithInbox(HttpServerOptions options) {
    Start(std::move(options), [this](HttpRequest request, std::shared_ptr<HttpReply> reply) {
      inbox_.Put(std::move(request), std::move(reply));
    });
  }
  int port() const { return server_->port(); }

  IoThreads threads_{2};
  Inbox inbox_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, ServesOneRequestAfterAnotherOnAConnection) {
  Start(TestOptions(), Echo);
  HttpClient client(port());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.Send(Post("/a?b=c", "hello")));
    const auto answer = client.ReadAnswer();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->body, "POST /a?b=c [hello]");
    EXPECT_EQ(answer->headers.at("connection"), "keep-alive");
  }
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  Start(TestOptions(), Echo);
  HttpClient client(port());
  ASSERT_TRUE(client.Send(Post("/1", "x") + Get("/2") + Post("/3", "yz")));
  EXPECT_EQ(client.ReadAnswer()->body, "POST /1? [x]");
  EXPECT_EQ(client.ReadAnswer()->body, "GET /2? []");
  EXPECT_EQ(client.ReadAnswer()->body, "POST /3? [yz]");
}

TEST_F(HttpServerTest, ReadsARequestThatComesByteByByte) {
  Start(TestOptions(), Echo);
  HttpClient client(port());
  for (const char byte : Post("/slow", "body")) ASSERT_TRUE(client.Send({&byte, 1}));
  EXPECT_EQ(client.ReadAnswer()->body, "POST /slow? [body]");
}

TEST_F(HttpServerTest, ReadsChunkedBodies) {
  Start(TestOptions(), Echo);
  HttpClient client(port());
  ASSERT_TRUE(
      client.Send("POST /c HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n"));
  EXPECT_EQ(client.ReadAnswer()->body, "POST /c? [abcdefg]");
}

TEST_F(HttpServerTest, AnswersHeadWithoutABody) {
  Start(TestOptions(), Echo);
  HttpClient client(port());
  ASSERT_TRUE(client.Send("HEAD /h HTTP/1.1\r\nHost: t\r\n\r\n" + Get("/next")));
  const auto head = client.ReadAnswer(/*has_body=*/false);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->headers.at("content-length"), "11");
  EXPECT_EQ(client.ReadAnswer()->body, "GET /next? []");
}

TEST_F(HttpServerTest, ClosesWhenTheClientAsksForIt) {
  Start(TestOptions(), Echo);
  for (const char* request :
       {"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"}) {
    HttpClient client(port());
    ASSERT_TRUE(client.Send(request));
    EXPECT_EQ(client.ReadAnswer()->headers.at("connection"), "close");
    EXPECT_TRUE(client.WaitForClose());
  }
}

TEST_F(HttpServerTest, AsksForTheBodyOfAClientThatWaits) {
  Start(TestOptions(), Echo);
  HttpClient client(port());
  ASSERT_TRUE(client.Send(
      "POST /e HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
  const auto interim = client.ReadHead();
  ASSERT_TRUE(interim);
  EXPECT_EQ(interim->status, 100);
  ASSERT_TRUE(client.Send("ok"));
  EXPECT_EQ(client.ReadAnswer()->body, "POST /e? [ok]");
}

std::string Repeat(std::string_view text, int count) {
  std::string result;
  for (int i = 0; i < count; ++i) result += text;
  return result;
}

struct BadBytes {
  const char* what;
  std::string bytes;
  int status;
};

TEST_F(HttpServerTest, RefusesWhatIsNoRequestAndCloses) {
  HttpServerOptions options = TestOptions();
  options.limits.max_body_bytes = 1000;
  Start(options, Echo);
  const std::string post = "POST / HTTP/1.1\r\nHost: t\r\n";
  const BadBytes cases[] = {
      {"garbage", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400},
      {"no version", "GET /\r\n\r\n", 400},
      {"future version", "GET / HTTP/3.0\r\n\r\n", 400},
      {"bad header", "GET / HTTP/1.1\r\nno colon\r\n\r\n", 400},
      {"bad length", post + "Content-Length: ten\r\n\r\n", 400},
      {"negative length", post + "Content-Length: -1\r\n\r\n", 400},
      {"length past 64 bits", post + "Content-Length: 99999999999999999999999\r\n\r\n", 400},
      {"two lengths", post + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", 400},
      {"length and chunks",
       post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"other encoding", post + "Transfer-Encoding: gzip\r\n\r\n", 501},
      {"two encodings", post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
      {"two encodings in two fields",
       post + "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501},
      {"no host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"two empty lines before it", "\r\n\r\nGET / HTTP/1.1\r\nHost: t\r\n\r\n", 400},
      {"bad chunk", post + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400},
      {"too many header fields", post + "Content-Length: 5\r\n" + Repeat("a:b\r\n", 99) + "\r\n",
       431},
      {"header too large", post + "X: " + std::string(20000, 'x'), 431},
      {"target too large", "GET /" + std::string(20000, 'x'), 431},
      {"chunk extension too large",
       post + "Transfer-Encoding: chunked\r\n\r\n1;" + std::string(40000, 'x'), 431},
      {"body too large", post + "Content-Length: 1001\r\n\r\n", 413},
      {"chunks too large",
       post + "Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + std::string(1001, 'x'), 413},
  };
  for (const BadBytes& bad : cases) {
    HttpClient client(port());
    client.Send(bad.bytes);
    const auto answer = client.ReadAnswer();
    ASSERT_TRUE(answer) << bad.what;
    EXPECT_EQ(answer->status, bad.status) << bad.what;
    EXPECT_EQ(answer->headers.at("connection"), "close") << bad.what;
    EXPECT_EQ(answer->body.substr(0, 4), std::to_string(bad.status) + "|") << bad.what;
    EXPECT_TRUE(client.WaitForClose()) << bad.what;
  }
  // The server goes on.
  HttpClient client(port());
  ASSERT_TRUE(client.Send(Get("/")));
  EXPECT_EQ(client.ReadAnswer()->status, 200);
}

TEST_F(HttpServerTest, TakesWhatOldClientsAndProxiesSend) {
  Start(TestOptions(), Echo);
  HttpClient client(port());
  ASSERT_TRUE(client.Send(Post("/1", "x") + "\r\n" + Get("/2")));
  EXPECT_EQ(client.ReadAnswer()->body, "POST /1? [x]");
  EXPECT_EQ(client.ReadAnswer()->body, "GET /2? []");
  for (const char* byte : {"\r", "\n", "G", "ET /3 HTTP/1.1\r\nHost: t\r\n\r\n"}) {
    ASSERT_TRUE(client.Send(byte));
  }
  EXPECT_EQ(client.ReadAnswer()->body, "GET /3? []");
  ASSERT_TRUE(client.Send(Get("http://a.example:80/v1/x?q=1") + Get("HTTPS://a.example") +
                          Get("http://a.example?q")));
  EXPECT_EQ(client.ReadAnswer()->body, "GET /v1/x?q=1 []");
  EXPECT_EQ(client.ReadAnswer()->body, "GET /? []");
  EXPECT_EQ(client.ReadAnswer()->body, "GET /?q []");
}

// A body is not worth reading whose head is refused.
TEST_F(HttpServerTest, RefusesByTheHeadBeforeTheBodyComes) {
  HttpServerOptions options = TestOptions();
  options.refuse = [](const HttpRequest& head) -> std::optional<HttpResponse> {
    if (head.path != "/no") return std::nullopt;
    return HttpResponse{.status = 401, .body = head.method + head.body};
  };
  Start(options, Echo);
  HttpClient client(port());
  ASSERT_TRUE(
      client.Send("POST /no HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\n"
                  "Content-Length: 5000000\r\n\r\n"));
  const auto answer = client.ReadAnswer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 401);
  EXPECT_EQ(answer->body, "POST");
  EXPECT_EQ(answer->headers.at("connection"), "close");
  EXPECT_TRUE(client.WaitForClose());
  HttpClient other(port());
  ASSERT_TRUE(other.Send("POST /yes HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n"));
  ASSERT_TRUE(other.Send("ok"));
  EXPECT_EQ(other.ReadAnswer()->body, "POST /yes? [ok]");
}

TEST_F(HttpServerTest, EveryAnswerHasAnId) {
  Start(TestOptions(), Echo);
  const auto id_of = [&](const std::string& head) {
    HttpClient client(port());
    EXPECT_TRUE(client.Send(head));
    const auto answer = client.ReadAnswer();
    EXPECT_TRUE(answer);
    if (!answer) return std::string();
    EXPECT_EQ(answer->headers.at("x-request-id"), answer->headers.at("request-id")) << head;
    return answer->headers.at("request-id");
  };
  const auto with = [](std::string_view id, std::string_view host = "Host: t\r\n") {
    return fmt::format("GET / HTTP/1.1\r\n{}X-Request-Id: {}\r\n\r\n", host, id);
  };
  EXPECT_EQ(id_of(with("mine-1")), "mine-1");
  EXPECT_EQ(id_of(with("mine-2", "")), "mine-2") << "refused by the transport";
  const std::string first = id_of(Get("/")), second = id_of(Get("/"));
  EXPECT_EQ(first.substr(0, 4), "req_");
  EXPECT_NE(first, second);
  for (const std::string& bad :
       {std::string("a b"), std::string("\xc3\xa4"), std::string(129, 'x')}) {
    EXPECT_EQ(id_of(with(bad)).substr(0, 4), "req_") << bad;
  }
  EXPECT_EQ(id_of("nonsense\r\n\r\n").substr(0, 4), "req_");
}

TEST_F(HttpServerTest, AnAnswerReachesAClientThatIsStillSendingTooMuch) {
  HttpServerOptions options = TestOptions();
  options.limits.max_body_bytes = 1000;
  Start(options, Echo);
  HttpClient client(port());
  ASSERT_TRUE(client.Send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 3000000\r\n\r\n"));
  client.Send(std::string(3'000'000, 'x'));
  const auto answer = client.ReadAnswer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 413);
}

TEST_F(HttpServerTest, StreamsPiecesAsTheyAreWritten) {
  StartWithInbox(TestOptions());
  HttpClient client(port());
  ASSERT_TRUE(client.Send(Get("/")));
  const auto [request, reply] = inbox_.Take();
  ASSERT_TRUE(reply);
  reply->StartStream({.content_type = "text/plain", .body = "one"});
  EXPECT_EQ(client.ReadHead()->headers.at("transfer-encoding"), "chunked");
  EXPECT_EQ(client.ReadChunk(), "one");
  reply->Write("two");
  EXPECT_EQ(client.ReadChunk(), "two");
  reply->EndStream();
  EXPECT_EQ(client.ReadChunk(), std::nullopt);
  // The connection lives on.
  ASSERT_TRUE(client.Send(Get("/again")));
  EXPECT_EQ(inbox_.Take().first.path, "/again");
}

TEST_F(HttpServerTest, StreamsToAnOldClientUntilTheConnectionEnds) {
  StartWithInbox(TestOptions());
  HttpClient client(port());
  ASSERT_TRUE(client.Send("GET / HTTP/1.0\r\n\r\n"));
  const auto [request, reply] = inbox_.Take();
  reply->StartStream({.content_type = "text/plain", .body = "all"});
  reply->EndStream();
  const auto head = client.ReadHead();
  ASSERT_TRUE(head);
  EXPECT_EQ(head->headers.count("transfer-encoding"), 0u);
  EXPECT_TRUE(client.WaitForClose());
}

TEST_F(HttpServerTest, TellsTheHandlerThatTheClientWentAwayWhileItWaited) {
  StartWithInbox(TestOptions());
  HttpClient client(port());
  ASSERT_TRUE(client.Send(Get("/")));
  const auto [request, reply] = inbox_.Take();
  Event gone;
  reply->OnDisconnect([&gone] { gone.Set(); });
  client.Close();
  EXPECT_TRUE(gone.Wait());
}

TEST_F(HttpServerTest, TellsTheHandlerThatAClientBrokeWhoseInputWaits) {
  StartWithInbox(TestOptions());
  HttpClient client(port());
  ASSERT_TRUE(client.Send(Get("/")));
  const auto [request, reply] = inbox_.Take();
  Event gone;
  reply->OnDisconnect([&gone] { gone.Set(); });
  ASSERT_TRUE(client.Send(std::string(200'000, 'x')));  // more than is read ahead
  client.Reset();
  EXPECT_TRUE(gone.Wait());
}

TEST_F(HttpServerTest, TellsTheHandlerAlsoWhenItAsksTooLate) {
  StartWithInbox(TestOptions());
  HttpClient client(port());
  ASSERT_TRUE(client.Send(Get("/")));
  const auto [request, reply] = inbox_.Take();
  Event gone, gone_again;
  reply->OnDisconnect([&gone] { gone.Set(); });
  client.Close();
  ASSERT_TRUE(gone.Wait());
  reply->OnDisconnect([&gone_again] { gone_again.Set(); });
  EXPECT_TRUE(gone_again.Wait());
}

TEST_F(HttpServerTest, CutsOffAClientThatLetsTooMuchPileUp) {
  HttpServerOptions options = TestOptions();
  options.max_write_queue_bytes = 64 << 10;
  options.write_timeout = milliseconds(60'000);
  StartWithInbox(options);
  HttpClient client(port(), /*receive_buffer_bytes=*/4096);
  ASSERT_TRUE(client.Send(Get("/")));
  const auto [request, reply] = inbox_.Take();
  Event gone;
  reply->OnDisconnect([&gone] { gone.Set(); });
  reply->StartStream({.content_type = "text/plain"});
  for (int i = 0; i < 1000; ++i) reply->Write(std::string(32 << 10, 'x'));
  EXPECT_TRUE(gone.Wait());
  EXPECT_TRUE(client.WaitForClose());
}

TEST_F(HttpServerTest, CutsOffAClientThatTakesNothingInTime) {
  HttpServerOptions options = TestOptions();
  options.max_write_queue_bytes = 256 << 20;
  options.write_timeout = milliseconds(50);
  StartWithInbox(options);
  HttpClient client(port(), /*receive_buffer_bytes=*/4096);
  ASSERT_TRUE(client.Send(Get("/")));
  const auto [request, reply] = inbox_.Take();
  Event gone;
  reply->OnDisconnect([&gone] { gone.Set(); });
  reply->StartStream({.content_type = "text/plain"});
  reply->Write(std::string(32 << 20, 'x'));  // more than the kernel's buffers take
  EXPECT_TRUE(gone.Wait());
}

// It takes some in any time, but would hold for long what is allowed to pile up.
TEST_F(HttpServerTest, CutsATricklingReaderOfAnAnswerThatMayPileUp) {
  HttpServerOptions options = TestOptions();
  options.write_timeout = milliseconds(1000);
  StartWithInbox(options);
  HttpClient client(port(), /*receive_buffer_bytes=*/4096);
  ASSERT_TRUE(client.Send(Get("/")));
  const auto [request, reply] = inbox_.Take();
  Event gone;
  reply->OnDisconnect([&gone] { gone.Set(); });
  reply->AllowMore(1 << 30, nullptr);  // 16 MiB are due in a second
  reply->StartStream({.content_type = "text/plain"});
  for (int i = 0; i < 1 << 10; ++i) reply->Write(std::string(32 << 10, 'x'));
  std::atomic<bool> reads = true;
  std::thread reader([&] {  // takes 6 MiB in a second, as far as the kernel's buffers show it
    client.ReadHead();
    while (reads && client.ReadChunk()) std::this_thread::sleep_for(milliseconds(5));
  });
  EXPECT_TRUE(gone.Wait());
  reads = false;
  reader.join();
}

TEST_F(HttpServerTest, EndsARequestThatDoesNotArriveInTime) {
  HttpServerOptions options = TestOptions();
  options.read_timeout = milliseconds(30);
  Start(options, Echo);
  HttpClient client(port());
  ASSERT_TRUE(client.Send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nhalf"));
  EXPECT_EQ(client.ReadAnswer()->status, 408);
  EXPECT_TRUE(client.WaitForClose());
}

TEST_F(HttpServerTest, ClosesAnIdleConnection) {
  HttpServerOptions options = TestOptions();
  options.idle_timeout = milliseconds(30);
  Start(options, Echo);
  HttpClient client(port());
  EXPECT_TRUE(client.WaitForClose());
}

TEST_F(HttpServerTest, RefusesConnectionsOverTheLimit) {
  HttpServerOptions options = TestOptions();
  options.max_connections = 1;
  StartWithInbox(options);
  HttpClient first(port());
  ASSERT_TRUE(first.Send(Get("/")));
  const auto [request, reply] = inbox_.Take();
  HttpClient second(port());
  const auto refused = second.ReadAnswer();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 503);
  EXPECT_EQ(refused->headers.count("retry-after"), 1u);
  EXPECT_TRUE(second.WaitForClose());
  reply->Send({.body = "fine"});
  EXPECT_EQ(first.ReadAnswer()->body, "fine");
}

TEST_F(HttpServerTest, ADroppedReplyIsAnError) {
  Start(TestOptions(), [](HttpRequest, std::shared_ptr<HttpReply>) {});
  HttpClient client(port());
  ASSERT_TRUE(client.Send(Get("/")));
  EXPECT_EQ(client.ReadAnswer()->status, 500);
}

TEST_F(HttpServerTest, ItsOwnErrorsHaveTheHeadersOfTheRequestsOrigin) {
  HttpServerOptions options = TestOptions();
  options.limits.max_body_bytes = 4;
  options.error_headers = [](std::string_view origin) {
    return HttpHeaders{{"X-Page", std::string(origin)}};
  };
  Start(options, [](HttpRequest, std::shared_ptr<HttpReply>) {});
  HttpClient client(port());
  const auto ask = [&](const char* origin, const char* body) {
    EXPECT_TRUE(
        client.Send(fmt::format("POST / HTTP/1.1\r\nHost: t\r\n{}Content-Length: {}\r\n\r\n{}",
                                origin, std::string_view(body).size(), body)));
    return client.ReadAnswer().value_or(switchyard::testing::HttpAnswer{});
  };
  const auto dropped = ask("Origin: https://a.b\r\n", "1234");
  EXPECT_EQ(dropped.status, 500);
  EXPECT_EQ(dropped.headers.at("x-page"), "https://a.b");
  EXPECT_EQ(ask("", "1234").headers.at("x-page"), "") << "not that of the request before";
  const auto refused = ask("Origin: https://c.d\r\n", "12345");
  EXPECT_EQ(refused.status, 413);
  EXPECT_EQ(refused.headers.at("x-page"), "https://c.d");
}

TEST_F(HttpServerTest, ADroppedStreamIsCutSoThatTheClientNotices) {
  Start(TestOptions(), [](HttpRequest, std::shared_ptr<HttpReply> reply) {
    reply->StartStream({.content_type = "text/plain", .body = "half"});
  });
  HttpClient client(port());
  ASSERT_TRUE(client.Send(Get("/")));
  ASSERT_TRUE(client.ReadHead());
  EXPECT_TRUE(client.WaitForClose());
}

TEST_F(HttpServerTest, NamesAddressAndPortWhenThePortIsTaken) {
  Start(TestOptions(), Echo);
  HttpServerOptions options = TestOptions();
  options.port = port();
  const auto second = HttpServer::Start(options, Echo, threads_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(Message(second.status()).find(fmt::format("127.0.0.1 port {}", port())),
            std::string_view::npos)
      << second.status();
}

TEST_F(HttpServerTest, TakesANameForAnAddress) {
  HttpServerOptions options = TestOptions();
  options.host = "localhost";
  EXPECT_TRUE(HttpServer::Start(options, Echo, threads_).ok());
}

TEST_F(HttpServerTest, RefusesAHostThatIsNoAddress) {
  HttpServerOptions options = TestOptions();
  options.host = "not an address";
  EXPECT_EQ(HttpServer::Start(options, Echo, threads_).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(HttpServerTest, DrainsAnswersUnderWayAndClosesIdleConnections) {
  HttpServerOptions options = TestOptions();
  options.linger_timeout = milliseconds(20);
  StartWithInbox(options);
  HttpClient busy(port()), idle(port());
  ASSERT_TRUE(busy.Send(Get("/")));
  const auto [request, reply] = inbox_.Take();
  reply->StartStream({.content_type = "text/plain", .body = "begin"});
  ASSERT_TRUE(busy.ReadHead());
  std::thread shutdown([this] { EXPECT_TRUE(server_->Shutdown(std::chrono::seconds(20))); });
  EXPECT_TRUE(idle.WaitForClose());
  reply->Write("end");
  reply->EndStream();
  EXPECT_EQ(busy.ReadChunk(), "begin");
  EXPECT_EQ(busy.ReadChunk(), "end");
  EXPECT_EQ(busy.ReadChunk(), std::nullopt);
  EXPECT_TRUE(busy.WaitForClose());
  shutdown.join();
  EXPECT_FALSE(HttpClient(port()).connected());
}

TEST_F(HttpServerTest, CutsWhatIsNotDrainedInTime) {
  StartWithInbox(TestOptions());
  HttpClient client(port());
  ASSERT_TRUE(client.Send(Get("/")));
  const auto [request, reply] = inbox_.Take();
  Event gone;
  reply->OnDisconnect([&gone] { gone.Set(); });
  EXPECT_FALSE(server_->Shutdown(milliseconds(10)));
  EXPECT_TRUE(gone.Wait());
  EXPECT_TRUE(client.WaitForClose());
  EXPECT_EQ(server_->num_connections(), 0);
}

}  // namespace
}  // namespace switchyard::gateway
