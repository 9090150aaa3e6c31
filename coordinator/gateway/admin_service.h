// The gRPC Admin service (proto/admin.proto): the cluster's state, for operators.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_ADMIN_SERVICE_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_ADMIN_SERVICE_H_

#include <memory>

#include "coordinator/core/events.h"

namespace grpc {
class Service;
}

namespace switchyard::gateway {

// Thread-safe. Outlives the server it is registered with; `engine` outlives it.
class AdminService {
 public:
  explicit AdminService(const core::Engine& engine);
  ~AdminService();

  grpc::Service* service();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_ADMIN_SERVICE_H_
