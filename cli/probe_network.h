// The network between two hosts: several TCP streams, each full in both directions at once, as an
// exchange between ranks fills it.
#ifndef SWITCHYARD_CLI_PROBE_NETWORK_H_
#define SWITCHYARD_CLI_PROBE_NETWORK_H_

#include <chrono>
#include <cstdint>
#include <string>

#include "base/status.h"

namespace switchyard::cli {

struct NetworkProbeOptions {
  int streams = 8;
  int64_t bytes_per_stream = int64_t{256} << 20;  // each way
  std::chrono::seconds timeout{60};               // of anything that is waited for
};
inline constexpr int kMaxProbeStreams = 64;
inline constexpr int64_t kMaxProbeStreamBytes = int64_t{16} << 30;

// One side: waits for a probe of another host, answers it, and is done. It serves whoever connects
// first and says no more than zeros; it stands only while it is asked to.
class NetworkProbeListener {
 public:
  // `address`: "HOST:PORT" of this machine; port 0: any free one. INVALID_ARGUMENT: not such an
  // address; UNAVAILABLE: it cannot be listened on.
  static absl::StatusOr<NetworkProbeListener> Open(const std::string& address);
  NetworkProbeListener(NetworkProbeListener&& other) noexcept;
  NetworkProbeListener& operator=(NetworkProbeListener&&) = delete;
  ~NetworkProbeListener();

  int port() const { return port_; }

  // Waits up to `patience` for the other side. Bytes per second one way, of the slower direction.
  // DEADLINE_EXCEEDED: nobody came, or a stream stood still for `timeout`. INVALID_ARGUMENT: what
  // came is no probe.
  absl::StatusOr<double> Answer(std::chrono::seconds patience, std::chrono::seconds timeout) const;

 private:
  NetworkProbeListener(int fd, int port) : fd_(fd), port_(port) {}
  int fd_;
  int port_;
};

// The other side: connects to a listener at "HOST:PORT". As Answer; UNAVAILABLE: nobody listens
// there.
absl::StatusOr<double> ProbeNetwork(const std::string& address, const NetworkProbeOptions& options);

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_PROBE_NETWORK_H_
