// switchyard: the command that a person types.
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <csignal>

#include "base/exit_code.h"
#include "base/version.h"
#include "cli/commands.h"

namespace {

std::atomic<int> num_signals{0};
std::atomic<bool> cancel{false};
static_assert(std::atomic<int>::is_always_lock_free, "counted in a signal handler");

void CountSignal(int) {
  ++num_signals;
  cancel = true;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace switchyard;
  CLI::App app(
      "Switchyard serves mixture-of-experts models with a cluster of workers.\n"
      "Start here:  switchyard serve --model models/tiny-r1 --dp 2 --tp 2\n"
      "then:        switchyard chat");
  app.set_version_flag("--version", std::string(kVersion));
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 done, 1 a bug, 2 wrong flags or input, 3 something is missing, 4 unsupported "
      "model or format,\n"
      "5 no memory, disk, port or permission, 6 a process was lost or a deadline passed, 130 "
      "stopped by Ctrl-C.");
  cli::RunCommand run;
  cli::AddServingCommands(app, num_signals, &run);
  cli::AddModelCommands(app, &run);
  cli::AddCheckpointCommands(app, cancel, &run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }

  spdlog::set_default_logger(spdlog::stderr_color_mt("switchyard"));
  std::signal(SIGINT, CountSignal);
  std::signal(SIGTERM, CountSignal);
  std::signal(SIGPIPE, SIG_IGN);
  return ReportAndExitCode("switchyard", run());
}
