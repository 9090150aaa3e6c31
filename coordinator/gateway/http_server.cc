#include "coordinator/gateway/http_server.h"

#include <condition_variable>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "coordinator/gateway/http_connection.h"
#include "coordinator/gateway/tcp_listener.h"

namespace switchyard::gateway {
namespace {

// Connections over the limit that are being told so at one time; one more is closed without a word.
constexpr int kMaxRefusals = 64;

// What the system keeps of answers for a client that does not read (Linux takes it twice). Left to
// itself it keeps up to 4 MiB for each, where no limit of ours sees them. gRPC's sockets need no
// such bound: HTTP/2 controls the flow of each call, and links to far workers want large windows.
constexpr int kSendBufferBytes = 256 << 10;

}  // namespace

// The table of connections is guarded by the mutex.
struct HttpServer::Impl : std::enable_shared_from_this<HttpServer::Impl> {
  Impl(HttpServerOptions options, HttpHandler handler)
      : context(std::make_shared<HttpConnectionContext>(
            HttpConnectionContext{std::move(options), std::move(handler)})) {}

  void Add(HttpConnection::Socket socket);
  void Remove(HttpConnection* connection);
  std::vector<std::shared_ptr<HttpConnection>> Connections();
  bool Shutdown(std::chrono::milliseconds grace);

  const std::shared_ptr<const HttpConnectionContext> context;
  std::shared_ptr<TcpListener> listener;

  std::mutex mutex;
  std::condition_variable changed;
  std::unordered_map<HttpConnection*, std::weak_ptr<HttpConnection>> connections;
  bool accepting = true;  // no connection is added once it is false
};

void HttpServer::Impl::Add(HttpConnection::Socket socket) {
  boost::system::error_code ignored;
  socket.set_option(boost::asio::socket_base::send_buffer_size(kSendBufferBytes), ignored);
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
  listener->Stop();
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
  SY_ASSIGN_OR_RETURN(std::shared_ptr<TcpListener> listener,
                      TcpListener::Listen(threads.context(), "HTTP", options.host, options.port));
  auto impl = std::make_shared<Impl>(std::move(options), std::move(handler));
  impl->listener = std::move(listener);
  impl->listener->Start([weak = std::weak_ptr(impl)](TcpListener::Socket socket) {
    if (const auto server = weak.lock()) server->Add(std::move(socket));
  });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() { Shutdown(std::chrono::milliseconds(0)); }

int HttpServer::port() const { return impl_->listener->port(); }

int HttpServer::num_connections() const {
  std::lock_guard lock(impl_->mutex);
  return int(impl_->connections.size());
}

bool HttpServer::Shutdown(std::chrono::milliseconds grace) { return impl_->Shutdown(grace); }

}  // namespace switchyard::gateway
