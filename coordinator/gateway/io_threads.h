// A fixed number of threads around one Asio io_context: sockets, timers, and small work handed over
// from other threads.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_IO_THREADS_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_IO_THREADS_H_

#include <functional>
#include <memory>

#include "coordinator/gateway/executor.h"

namespace boost::asio {
class io_context;
}

namespace switchyard::gateway {

// Outlives everything that posts to it and every socket on it. Thread-safe.
class IoThreads : public Executor {
 public:
  // REQUIRES: num_threads >= 1.
  explicit IoThreads(int num_threads);
  // As Stop.
  ~IoThreads() override;

  // Waits for work under way and drops what has not begun. Post stays allowed and then does
  // nothing: whoever still posts can be ended after the work that calls into it. Not on one of the
  // threads.
  void Stop();

  void Post(std::function<void()> work) override;

  // For the transport sources of this folder only.
  boost::asio::io_context& context();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_IO_THREADS_H_
