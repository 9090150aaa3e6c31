// A listening socket that both fronts use: it names what is wrong with its address, and survives a
// process that has run out of file descriptors. Includes Asio: for the fronts' sources only.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_TCP_LISTENER_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_TCP_LISTENER_H_

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/strand.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/status.h"

namespace switchyard::gateway {

// Runs on a strand of its own.
class TcpListener : public std::enable_shared_from_this<TcpListener> {
 public:
  using Strand = boost::asio::strand<boost::asio::io_context::executor_type>;
  // Each on its own strand.
  using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, Strand>;

  // Binds and listens; connections queue until Start. `protocol` is what messages call it. `host`
  // is an address or a name, `port` 0 any free one. INVALID_ARGUMENT when the host is neither or
  // the port is none, RESOURCE_EXHAUSTED, naming both, when the port is in use or may not be bound.
  static absl::StatusOr<std::shared_ptr<TcpListener>> Listen(boost::asio::io_context& io,
                                                             const std::string& protocol,
                                                             const std::string& host, int port);

  int port() const { return port_; }

  // Calls `on_socket` on the listener's strand for every connection until Stop.
  void Start(std::function<void(Socket)> on_socket);
  // Soon closes the socket. Any thread.
  void Stop();

 private:
  explicit TcpListener(boost::asio::io_context& io);
  boost::system::error_code Bind(const boost::asio::ip::tcp::endpoint& endpoint);
  void Accept();

  boost::asio::io_context& io_;
  Strand strand_;
  boost::asio::basic_socket_acceptor<boost::asio::ip::tcp, Strand> acceptor_;
  boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                    boost::asio::wait_traits<std::chrono::steady_clock>, Strand>
      retry_timer_;
  std::function<void(Socket)> on_socket_;
  int port_ = 0;
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_TCP_LISTENER_H_
