// The coordinator's gRPC server: the services it is given, reflection, and the standard health
// service.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_GRPC_FRONT_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_GRPC_FRONT_H_

#include <chrono>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"

namespace grpc {
class ServerCredentials;
class Service;
}  // namespace grpc

namespace switchyard::gateway {

struct GrpcFrontOptions {
  std::string host = "127.0.0.1";                        // IPv4 or IPv6 address, or a name
  int port = 0;                                          // 0: the system picks one
  std::shared_ptr<grpc::ServerCredentials> credentials;  // null: plaintext
  // Of one message: covers prompts as the HTTP limit does, and what a worker sends.
  int max_receive_bytes = 8 << 20;
  int max_streams_per_connection = 1024;
  // A connection whose file descriptor would not be below this is closed at once: what is left is
  // for others.
  int max_descriptor = std::numeric_limits<int>::max();
};

class GrpcFront {
 public:
  // Serves the gateway's services and whatever else the coordinator brings (fleet). All outlive the
  // front. Errors as of TcpListener::Listen.
  static absl::StatusOr<std::unique_ptr<GrpcFront>> Start(
      const GrpcFrontOptions& options, const std::vector<grpc::Service*>& services);
  // As Shutdown(0).
  ~GrpcFront();

  int port() const;

  // What grpc.health.v1 says of the server; NOT_SERVING until the first call.
  void SetServing(bool serving);

  // Takes no new calls, lets those under way finish for at most `grace`, then cancels them. Returns
  // when all are over.
  void Shutdown(std::chrono::milliseconds grace);

 private:
  struct Impl;
  explicit GrpcFront(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_GRPC_FRONT_H_
