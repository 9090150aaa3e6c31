#include "base/program.h"

#include <csignal>
#include <cstdlib>
#include <new>

#include "base/exit_code.h"

namespace switchyard {

void PrepareProgram() {
  std::set_new_handler(ExitOutOfMemory);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  // The RPC library logs what it also returns: our messages tell it, in one line. A person who
  // looks for a fault in it sets this to DEBUG.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
}

}  // namespace switchyard
