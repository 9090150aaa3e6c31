// The subcommands of `switchyard`, as flags: each adds itself to the app and, when it was chosen,
// sets `run`.
#ifndef SWITCHYARD_CLI_COMMANDS_H_
#define SWITCHYARD_CLI_COMMANDS_H_

#include <CLI/CLI.hpp>
#include <functional>

#include "base/status.h"

namespace switchyard::cli {

using RunCommand = std::function<absl::Status()>;

// `num_signals` counts SIGINT and SIGTERM.
void AddServingCommands(CLI::App& app, RunCommand* run);     // serve, chat, status
void AddPlanCommands(CLI::App& app, RunCommand* run);        // plan, probe
void AddModelCommands(CLI::App& app, RunCommand* run);       // models, tokenize, template, logits
void AddCheckpointCommands(CLI::App& app, RunCommand* run);  // convert, manifest, synth

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_COMMANDS_H_
