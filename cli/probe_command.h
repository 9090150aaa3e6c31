// `switchyard probe`: measures what this host reaches and writes it into the cluster file, so that
// plans are held against the machine that there is.
#ifndef SWITCHYARD_CLI_PROBE_COMMAND_H_
#define SWITCHYARD_CLI_PROBE_COMMAND_H_

#include <iosfwd>
#include <string>

#include "base/status.h"
#include "cli/probe_rates.h"

namespace switchyard::cli {

// Measures with the file's kind of device, its number of devices and its model's files, prints the
// rates to `out` and puts them into the file's [measured]. Everything else of the file stays as it
// is. `merge`: the slower of what the file has and what is measured now stays, for one host after
// the other. Of `sizes` the first three fields come from the file. Errors: those of ReadClusterFile
// and Probe; the file is then as it was.
absl::Status RunProbe(const std::string& cluster_file, bool merge, ProbeOptions sizes,
                      std::ostream& out);

// `text` with these rates for its table [measured], wherever that stood.
std::string WithMeasured(const std::string& text, const ProbedRates& rates);

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_PROBE_COMMAND_H_
