// The gRPC Inference service (proto/inference.proto): the same generation as the HTTP API.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_INFERENCE_SERVICE_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_INFERENCE_SERVICE_H_

#include <memory>

#include "coordinator/gateway/completion.h"
#include "coordinator/gateway/executor.h"

namespace grpc {
class Service;
}

namespace switchyard::gateway {

// Thread-safe. Outlives the server it is registered with. `work` as for OpenAiHandler.
class InferenceService {
 public:
  InferenceService(CompletionContext& context, Executor& work);
  ~InferenceService();

  grpc::Service* service();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_INFERENCE_SERVICE_H_
