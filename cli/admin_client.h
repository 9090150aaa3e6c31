// Asks a coordinator what its cluster is doing.
#ifndef SWITCHYARD_CLI_ADMIN_CLIENT_H_
#define SWITCHYARD_CLI_ADMIN_CLIENT_H_

#include <chrono>
#include <memory>
#include <string>

#include "base/status.h"
#include "proto/admin.pb.h"

namespace switchyard::cli {

class AdminClient {
 public:
  // `address`: host:port of the coordinator's gRPC service.
  explicit AdminClient(const std::string& address);
  ~AdminClient();

  // UNAVAILABLE, naming the address, when nobody answers within the timeout.
  absl::StatusOr<v1::StatusResponse> Status(std::chrono::milliseconds timeout);

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_ADMIN_CLIENT_H_
