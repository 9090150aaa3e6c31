// `switchyard serve` as a child of a benchmark: on a free port of this machine, gone with the
// object.
#ifndef SWITCHYARD_BENCH_SERVING_OWN_SERVER_H_
#define SWITCHYARD_BENCH_SERVING_OWN_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "cli/child_process.h"
#include "cli/http_client.h"

namespace switchyard::bench {

class OwnServer {
 public:
  // With `flags` beside those of model and ports. Returns when it is ready; UNAVAILABLE when it
  // ends before, or is not within a minute.
  static absl::StatusOr<std::unique_ptr<OwnServer>> Start(const std::string& model,
                                                          const std::vector<std::string>& flags);
  ~OwnServer();

  const cli::HttpAddress& address() const { return address_; }

 private:
  OwnServer(cli::ChildProcess child, int port);

  cli::ChildProcess child_;
  const cli::HttpAddress address_;
};

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_SERVING_OWN_SERVER_H_
