// `switchyard probe`: measures what this host reaches and writes it into the cluster file, so that
// plans are held against the machine that there is.
#ifndef SWITCHYARD_CLI_PROBE_COMMAND_H_
#define SWITCHYARD_CLI_PROBE_COMMAND_H_

#include <iosfwd>
#include <string>

#include "base/status.h"
#include "cli/probe_network.h"
#include "cli/probe_rates.h"

namespace switchyard::cli {

struct ProbeCommandOptions {
  std::string cluster_file;
  // The slower of what the file has and what is measured now stays, for one host after the other.
  bool merge = false;
  std::string peer;    // "HOST:PORT" where another host listens; empty: the network is not measured
  std::string listen;  // "HOST:PORT": be that other host, once, and write nothing
  std::chrono::seconds patience{600};  // for a peer to come
  ProbeOptions sizes;                  // the first three fields come from the file
  NetworkProbeOptions network;
};

// Measures with the file's kind of device, its number of devices and its model's files, prints the
// rates to `out` and puts them into the file's [measured]. A network rate that was measured before
// and is not measured now stays, and so does everything else of the file. Errors: those of
// ReadClusterFile, Probe and probe_network.h; the file is then as it was.
absl::Status RunProbe(const ProbeCommandOptions& options, std::ostream& out);

// `text` with these rates for its table [measured], wherever that stood.
std::string WithMeasured(const std::string& text, const ProbedRates& rates);

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_PROBE_COMMAND_H_
