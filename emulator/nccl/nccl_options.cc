#include "emulator/nccl/nccl_options.h"

#include <cstdlib>
#include <string>

namespace emu {

Outcome ParseNcclOptions(std::string_view text, NcclOptions* options) {
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view item = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    if (item == "dead_peer=error") {
      options->dead_peer = DeadPeer::kError;
    } else if (item == "dead_peer=hang") {
      options->dead_peer = DeadPeer::kHang;
    } else {
      return {ncclInvalidUsage, "SWITCHYARD_EMULATOR_NCCL: '" + std::string(item) +
                                    "' is not understood; it takes dead_peer=hang|error"};
    }
  }
  return {};
}

Outcome NcclOptionsFromEnvironment(NcclOptions* options) {
  const char* text = std::getenv("SWITCHYARD_EMULATOR_NCCL");
  return ParseNcclOptions(text == nullptr ? "" : text, options);
}

}  // namespace emu
