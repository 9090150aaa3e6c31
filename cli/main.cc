// switchyard: the command that a person types.
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "base/exit_code.h"
#include "base/program.h"
#include "base/version.h"
#include "cli/commands.h"

namespace {

// One line for a command line that cannot be understood.
std::string UsageFault(const CLI::App* app, const CLI::Error& error) {
  std::string what = error.what();
  std::string help = "switchyard";
  if (const auto chosen = app->get_subcommands(); !chosen.empty()) {
    help += " " + chosen.front()->get_name();
  } else {
    const auto words = app->remaining();
    what = words.empty() ? "no command given" : fmt::format("\"{}\" is no command", words.front());
    const char* separator = "; commands: ";
    for (const CLI::App* command : app->get_subcommands(nullptr)) {
      what += separator + command->get_name();
      separator = ", ";
    }
  }
  return fmt::format("switchyard: {} (see {} --help)\n", switchyard::OneLine(what), help);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace switchyard;
  PrepareProgram();
  CLI::App app(
      "Switchyard serves mixture-of-experts models with a cluster of workers.\n"
      "Start here:  switchyard serve --model models/tiny-r1 --dp 2 --tp 2\n"
      "then:        switchyard chat");
  app.set_version_flag("--version", std::string(kVersion));
  app.require_subcommand(1);
  app.failure_message(UsageFault);
  app.footer(
      "Exit codes: 0 done, 1 a bug, 2 wrong flags or input, 3 something is missing, 4 unsupported "
      "model or format,\n"
      "5 no memory, disk, port or permission, 6 a process was lost or a deadline passed, 130 "
      "stopped by Ctrl-C.");
  cli::RunCommand run;
  cli::AddServingCommands(app, &run);
  cli::AddPlanCommands(app, &run);
  cli::AddModelCommands(app, &run);
  cli::AddCheckpointCommands(app, &run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }

  spdlog::set_default_logger(spdlog::stderr_color_mt(
      "switchyard", StderrHasColor() ? spdlog::color_mode::automatic : spdlog::color_mode::never));
  return ReportAndExitCode("switchyard", run());
}
