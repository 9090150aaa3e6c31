#include "coordinator/gateway/grpc_front.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <mutex>
#include <utility>

namespace switchyard::gateway {
namespace {

// A client that has silently gone is noticed after about this long.
constexpr int kKeepaliveMs = 30'000;

// "host:port", with an IPv6 address in brackets.
std::string JoinHostPort(const std::string& host, int port) {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return fmt::format(fmt::runtime(is_ipv6 ? "[{}]:{}" : "{}:{}"), host, port);
}

void EnablePlugins() {
  static std::once_flag once;
  std::call_once(once, [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });
}

}  // namespace

struct GrpcFront::Impl {
  std::unique_ptr<grpc::Server> server;
  int port = 0;
  bool shut_down = false;
};

absl::StatusOr<std::unique_ptr<GrpcFront>> GrpcFront::Start(
    const GrpcFrontOptions& options, const std::vector<grpc::Service*>& services) {
  EnablePlugins();
  auto impl = std::make_unique<Impl>();
  grpc::ServerBuilder builder;
  // Without this a second server on the same port would start and share its clients.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_streams_per_connection);
  builder.SetMaxReceiveMessageSize(options.max_receive_bytes);
  builder.AddListeningPort(
      JoinHostPort(options.host, options.port),
      options.credentials ? options.credentials : grpc::InsecureServerCredentials(), &impl->port);
  for (grpc::Service* service : services) builder.RegisterService(service);
  impl->server = builder.BuildAndStart();
  if (impl->server == nullptr || impl->port == 0) {
    return absl::ResourceExhaustedError(fmt::format(
        "cannot listen for gRPC on {} port {}: the port is in use or the address is not "
        "this machine's; choose another",
        options.host, options.port));
  }
  auto front = std::unique_ptr<GrpcFront>(new GrpcFront(std::move(impl)));
  front->SetServing(false);
  return front;
}

GrpcFront::GrpcFront(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

GrpcFront::~GrpcFront() { Shutdown(std::chrono::milliseconds(0)); }

int GrpcFront::port() const { return impl_->port; }

void GrpcFront::SetServing(bool serving) {
  impl_->server->GetHealthCheckService()->SetServingStatus(serving);
}

void GrpcFront::Shutdown(std::chrono::milliseconds grace) {
  if (std::exchange(impl_->shut_down, true)) return;
  SetServing(false);
  impl_->server->Shutdown(std::chrono::system_clock::now() + grace);
}

}  // namespace switchyard::gateway
