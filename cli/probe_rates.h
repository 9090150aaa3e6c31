// What this host's devices reach right now, all of them at work at once: the measured figures of a
// cluster file.
#ifndef SWITCHYARD_CLI_PROBE_RATES_H_
#define SWITCHYARD_CLI_PROBE_RATES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "base/status.h"

namespace switchyard::cli {

// Per second. Of the slowest device; `disk` of the host; `network` of a device, whose host's
// network is divided evenly (Probe leaves it out: probe_network.h).
struct ProbedRates {
  double memory_bytes = 0;              // a product with one row, whose weight is read once
  double bf16_flops = 0;                // a product with many rows
  double fp8_flops = 0;                 // the same of FP8 weights and quantised rows
  std::optional<double> link_bytes;     // one way, of each device; none with one device
  std::optional<double> network_bytes;  // one way
  std::optional<double> disk_bytes;     // of the model's files; none without a folder
};

struct ProbeOptions {
  std::string backend = "cpu";  // as worker::BackendOptions
  int num_devices = 1;
  std::string folder;                           // whose files are read; may be empty
  int64_t weight_bytes = int64_t{256} << 20;    // larger than any cache
  int64_t rows = 512;                           // of the large product
  int64_t exchanged_bytes = int64_t{16} << 20;  // from each device to each other
  int64_t disk_bytes = int64_t{1} << 30;        // read at most, cold where the system drops them
  int trials = 5;                               // the fastest counts
};

// Of the largest files in `folder`, dropped from the page cache first. NOT_FOUND: no file to read.
absl::StatusOr<double> DiskBytesPerSecond(const ProbeOptions& options);

// Errors: those of MakeBackend, Backend::Connect and Collectives; NOT_FOUND: no file to read.
absl::StatusOr<ProbedRates> Probe(const ProbeOptions& options);

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_PROBE_RATES_H_
