// `switchyard models`: what is served, from the registries that serve it.
#ifndef SWITCHYARD_CLI_MODELS_COMMAND_H_
#define SWITCHYARD_CLI_MODELS_COMMAND_H_

#include <iosfwd>
#include <string>

#include "base/status.h"

namespace switchyard::cli {

struct ModelsOptions {
  bool markdown = false;  // as the README has it
};

// A line for each model_type that the coordinator reads and a worker computes, then the formats of
// weights and the limits of layouts.
std::string ModelsTable(const ModelsOptions& options);

// UNAVAILABLE: `out` does not take it.
absl::Status RunModels(const ModelsOptions& options, std::ostream& out);

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_MODELS_COMMAND_H_
