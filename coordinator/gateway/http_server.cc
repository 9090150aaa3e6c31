#include "coordinator/gateway/http_server.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <condition_variable>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "coordinator/gateway/http_connection.h"

namespace switchyard::gateway {
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

// Connections over the limit that are being told so at one time; one more is closed without a word.
constexpr int kMaxRefusals = 64;
// When the process has no file descriptor left, accepting waits for some to come back.
constexpr std::chrono::milliseconds kAcceptRetry{100};

}  // namespace

// The listening socket runs on its strand; the table of connections is guarded by the mutex.
struct HttpServer::Impl : std::enable_shared_from_this<HttpServer::Impl> {
  Impl(HttpServerOptions options, HttpHandler handler, IoThreads& threads)
      : context(std::make_shared<HttpConnectionContext>(
            HttpConnectionContext{std::move(options), std::move(handler)})),
        io(threads.context()),
        strand(asio::make_strand(io)),
        acceptor(strand),
        retry_timer(strand) {}

  absl::Status Listen();
  void Accept();
  void Add(HttpConnection::Socket socket);
  void Remove(HttpConnection* connection);
  std::vector<std::shared_ptr<HttpConnection>> Connections();
  bool Shutdown(std::chrono::milliseconds grace);

  const std::shared_ptr<const HttpConnectionContext> context;
  asio::io_context& io;
  asio::strand<asio::io_context::executor_type> strand;
  asio::basic_socket_acceptor<tcp, decltype(strand)> acceptor;
  asio::basic_waitable_timer<std::chrono::steady_clock,
                             asio::wait_traits<std::chrono::steady_clock>, decltype(strand)>
      retry_timer;
  int port = 0;

  std::mutex mutex;
  std::condition_variable changed;
  std::unordered_map<HttpConnection*, std::weak_ptr<HttpConnection>> connections;
  bool accepting = true;  // no connection is added once it is false
};

absl::Status HttpServer::Impl::Listen() {
  const HttpServerOptions& options = context->options;
  boost::system::error_code ec;
  const asio::ip::address address = asio::ip::make_address(options.host, ec);
  if (ec) {
    return absl::InvalidArgumentError(
        fmt::format("HTTP host \"{}\" is no IP address", options.host));
  }
  if (options.port < 0 || options.port > 65535) {
    return absl::InvalidArgumentError(
        fmt::format("HTTP port {} is outside 0..65535", options.port));
  }
  const tcp::endpoint endpoint(address, static_cast<uint16_t>(options.port));
  acceptor.open(endpoint.protocol(), ec);
  if (!ec) acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
  if (!ec) acceptor.bind(endpoint, ec);
  if (!ec) acceptor.listen(asio::socket_base::max_listen_connections, ec);
  if (ec) {
    return absl::ResourceExhaustedError(
        fmt::format("cannot listen for HTTP on {} port {}: {}; choose another address or port",
                    options.host, options.port, ec.message()));
  }
  port = acceptor.local_endpoint().port();
  return absl::OkStatus();
}

void HttpServer::Impl::Accept() {
  acceptor.async_accept(
      asio::make_strand(io), [self = shared_from_this()](const boost::system::error_code& ec,
                                                         HttpConnection::Socket socket) {
        if (ec == asio::error::operation_aborted || !self->acceptor.is_open()) return;
        if (!ec) {
          self->Add(std::move(socket));
          return self->Accept();
        }
        self->retry_timer.expires_after(kAcceptRetry);
        self->retry_timer.async_wait([self](const boost::system::error_code& aborted) {
          if (!aborted) self->Accept();
        });
      });
}

void HttpServer::Impl::Add(HttpConnection::Socket socket) {
  boost::system::error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  std::shared_ptr<HttpConnection> connection;
  {
    std::lock_guard lock(mutex);
    const int num_over = int(connections.size()) + 1 - context->options.max_connections;
    if (!accepting || num_over > kMaxRefusals) return;
    connection = std::make_shared<HttpConnection>(
        std::move(socket), context, num_over > 0,
        [self = shared_from_this()](HttpConnection* closed) { self->Remove(closed); });
    connections.emplace(connection.get(), connection);
  }
  connection->Start();
}

void HttpServer::Impl::Remove(HttpConnection* connection) {
  std::lock_guard lock(mutex);
  connections.erase(connection);
  if (connections.empty()) changed.notify_all();
}

std::vector<std::shared_ptr<HttpConnection>> HttpServer::Impl::Connections() {
  std::lock_guard lock(mutex);
  std::vector<std::shared_ptr<HttpConnection>> result;
  for (const auto& [raw, weak] : connections) {
    if (auto connection = weak.lock()) result.push_back(std::move(connection));
  }
  return result;
}

bool HttpServer::Impl::Shutdown(std::chrono::milliseconds grace) {
  {
    std::lock_guard lock(mutex);
    accepting = false;
  }
  asio::post(strand, [self = shared_from_this()] {
    boost::system::error_code ignored;
    self->acceptor.close(ignored);
    self->retry_timer.cancel();
  });
  for (const auto& connection : Connections()) connection->Drain();
  const auto none_left = [this] { return connections.empty(); };
  std::unique_lock lock(mutex);
  if (changed.wait_for(lock, grace, none_left)) return true;
  lock.unlock();
  for (const auto& connection : Connections()) connection->Abort();
  lock.lock();
  changed.wait(lock, none_left);
  return false;
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(HttpServerOptions options,
                                                              HttpHandler handler,
                                                              IoThreads& threads) {
  SY_CHECK(options.error_body != nullptr);
  auto impl = std::make_shared<Impl>(std::move(options), std::move(handler), threads);
  SY_RETURN_IF_ERROR(impl->Listen());
  asio::post(impl->strand, [impl] { impl->Accept(); });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() { Shutdown(std::chrono::milliseconds(0)); }

int HttpServer::port() const { return impl_->port; }

int HttpServer::num_connections() const {
  std::lock_guard lock(impl_->mutex);
  return int(impl_->connections.size());
}

bool HttpServer::Shutdown(std::chrono::milliseconds grace) { return impl_->Shutdown(grace); }

}  // namespace switchyard::gateway
