// The whole gateway in one object: threads, HTTP API, gRPC services, and the order in which they
// start and stop.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_GATEWAY_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_GATEWAY_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"
#include "coordinator/core/events.h"
#include "coordinator/gateway/gateway_metrics.h"
#include "coordinator/gateway/grpc_front.h"
#include "coordinator/gateway/http_router.h"
#include "coordinator/gateway/http_server.h"
#include "coordinator/gateway/logprob_memory.h"
#include "coordinator/gateway/served_model.h"

namespace switchyard::gateway {

struct GatewayOptions {
  HttpServerOptions http;  // the API's functions are filled in
  GrpcFrontOptions grpc;
  HttpAccess access;          // of both; the keys outlive the gateway
  bool vllm_metrics = false;  // /metrics gives vLLM's names, too
  int num_io_threads = 2;     // sockets and answers
  int num_work_threads = 2;   // parsing, templates, tokenizer
  int64_t logprob_bytes = LogprobMemory::kDefaultBytes;
};

// The end of a coordinator: Shutdown; then the engine ends; then the gateway is destroyed, since
// until its end the engine may call the listeners of requests that Shutdown has cancelled.
class Gateway {
 public:
  // Listens on both ports, also while the cluster still gathers: requests are then refused as the
  // engine says. `more_services` (fleet's) join the gRPC server. Errors as of HttpServer::Start and
  // GrpcFront::Start. All arguments outlive Shutdown.
  static absl::StatusOr<std::unique_ptr<Gateway>> Start(
      const GatewayOptions& options, const ServedModel& model, core::Engine& engine,
      const std::vector<grpc::Service*>& more_services);
  // REQUIRES: the engine calls no listener any more.
  ~Gateway();

  int http_port() const;
  int grpc_port() const;
  GatewayMetrics& metrics();
  // What gRPC's health service says; HTTP's /health asks the engine.
  void SetServing(bool serving);

  // Takes nothing new, lets answers under way finish for at most `grace` (HTTP, then what is left
  // of it for gRPC), cancels what is left, and stops the threads. The second call does nothing.
  void Shutdown(std::chrono::milliseconds grace);

 private:
  struct Impl;
  explicit Gateway(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_GATEWAY_H_
