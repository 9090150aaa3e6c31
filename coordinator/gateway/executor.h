// Where the gateway's work runs. Production: IoThreads; tests and fuzz targets may run it in place.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_EXECUTOR_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_EXECUTOR_H_

#include <functional>

namespace switchyard::gateway {

class Executor {
 public:
  virtual ~Executor() = default;
  // Runs `work` soon; from any thread, never blocks on other work. Nothing orders two calls.
  virtual void Post(std::function<void()> work) = 0;
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_EXECUTOR_H_
