#include "coordinator/gateway/grpc_front.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <mutex>
#include <utility>

#include "coordinator/gateway/io_threads.h"
#include "coordinator/gateway/tcp_listener.h"

namespace switchyard::gateway {
namespace {

// A client that has silently gone is noticed after about this long.
constexpr int kKeepaliveMs = 30'000;
// Pings that come no faster are no attack: workers watch their coordinator by them.
constexpr int kMinPingIntervalMs = 1'000;

void EnablePlugins() {
  static std::once_flag once;
  std::call_once(once, [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });
}

}  // namespace

// gRPC's own listener closes for good when accept runs out of file descriptors, and puts no bound
// on connections. So the sockets come from ours.
struct GrpcFront::Impl {
  IoThreads accepting{1};
  std::shared_ptr<TcpListener> listener;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor;
  std::unique_ptr<grpc::Server> server;
  bool shut_down = false;

  ~Impl() { accepting.Stop(); }
  void Add(TcpListener::Socket socket, int max_descriptor) {
    // The lowest free number is given out: one over the limit says that so many are in use.
    if (socket.native_handle() >= max_descriptor) return;
    boost::system::error_code ec;
    socket.native_non_blocking(true, ec);
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    if (!ec) connection.fd = socket.release(ec);
    if (!ec) acceptor->HandleNewConnection(&connection);
  }
};

absl::StatusOr<std::unique_ptr<GrpcFront>> GrpcFront::Start(
    const GrpcFrontOptions& options, const std::vector<grpc::Service*>& services) {
  EnablePlugins();
  auto impl = std::make_unique<Impl>();
  SY_ASSIGN_OR_RETURN(impl->listener, TcpListener::Listen(impl->accepting.context(), "gRPC",
                                                          options.host, options.port));
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_streams_per_connection);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kMinPingIntervalMs);
  builder.SetMaxReceiveMessageSize(options.max_receive_bytes);
  impl->acceptor = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      options.credentials ? options.credentials : grpc::InsecureServerCredentials());
  for (grpc::Service* service : services) builder.RegisterService(service);
  impl->server = builder.BuildAndStart();
  if (impl->server == nullptr) return absl::InternalError("the gRPC server does not start");
  impl->listener->Start(
      [raw = impl.get(), max_descriptor = options.max_descriptor](TcpListener::Socket socket) {
        raw->Add(std::move(socket), max_descriptor);
      });
  auto front = std::unique_ptr<GrpcFront>(new GrpcFront(std::move(impl)));
  front->SetServing(false);
  return front;
}

GrpcFront::GrpcFront(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

GrpcFront::~GrpcFront() { Shutdown(std::chrono::milliseconds(0)); }

int GrpcFront::port() const { return impl_->listener->port(); }

void GrpcFront::SetServing(bool serving) {
  impl_->server->GetHealthCheckService()->SetServingStatus(serving);
}

void GrpcFront::Shutdown(std::chrono::milliseconds grace) {
  if (std::exchange(impl_->shut_down, true)) return;
  SetServing(false);
  impl_->listener->Stop();
  impl_->server->Shutdown(std::chrono::system_clock::now() + grace);
}

}  // namespace switchyard::gateway
