#include "coordinator/gateway/tcp_listener.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace switchyard::gateway {
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

// When the process has no file descriptor left, accepting waits for some to come back.
constexpr std::chrono::milliseconds kAcceptRetry{100};

}  // namespace

TcpListener::TcpListener(asio::io_context& io)
    : io_(io), strand_(asio::make_strand(io)), acceptor_(strand_), retry_timer_(strand_) {}

absl::StatusOr<std::shared_ptr<TcpListener>> TcpListener::Listen(asio::io_context& io,
                                                                 const std::string& protocol,
                                                                 const std::string& host,
                                                                 int port) {
  if (port < 0 || port > 65535) {
    return absl::InvalidArgumentError(
        fmt::format("{} port {} is outside 0..65535", protocol, port));
  }
  boost::system::error_code ec;
  tcp::resolver resolver(io);
  const auto found = resolver.resolve(host, std::to_string(port),
                                      tcp::resolver::passive | tcp::resolver::numeric_service, ec);
  if (ec || found.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("{} host \"{}\" is no address of this machine: {}", protocol, host,
                    ec ? ec.message() : "nothing found"));
  }
  const std::shared_ptr<TcpListener> listener(new TcpListener(io));
  ec = listener->Bind(found.begin()->endpoint());
  if (ec) {
    return absl::ResourceExhaustedError(
        fmt::format("cannot listen for {} on {} port {}: {}; choose another address or port",
                    protocol, host, port, ec.message()));
  }
  return listener;
}

boost::system::error_code TcpListener::Bind(const tcp::endpoint& endpoint) {
  boost::system::error_code ec;
  acceptor_.open(endpoint.protocol(), ec);
  if (!ec) acceptor_.set_option(tcp::acceptor::reuse_address(true), ec);
  if (!ec) acceptor_.bind(endpoint, ec);
  if (!ec) acceptor_.listen(asio::socket_base::max_listen_connections, ec);
  if (!ec) port_ = acceptor_.local_endpoint(ec).port();
  return ec;
}

void TcpListener::Start(std::function<void(Socket)> on_socket) {
  asio::post(strand_, [self = shared_from_this(), on_socket = std::move(on_socket)]() mutable {
    self->on_socket_ = std::move(on_socket);
    self->Accept();
  });
}

void TcpListener::Stop() {
  asio::post(strand_, [self = shared_from_this()] {
    boost::system::error_code ignored;
    self->acceptor_.close(ignored);
    self->retry_timer_.cancel();
  });
}

void TcpListener::Accept() {
  acceptor_.async_accept(
      asio::make_strand(io_),
      [self = shared_from_this()](const boost::system::error_code& ec, Socket socket) {
        if (ec == asio::error::operation_aborted || !self->acceptor_.is_open()) return;
        if (!ec) {
          boost::system::error_code ignored;
          socket.set_option(tcp::no_delay(true), ignored);
          self->on_socket_(std::move(socket));
          return self->Accept();
        }
        self->retry_timer_.expires_after(kAcceptRetry);
        self->retry_timer_.async_wait([self](const boost::system::error_code& aborted) {
          if (!aborted) self->Accept();
        });
      });
}

}  // namespace switchyard::gateway
