#include "emulator/cudart/visible_devices.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <string_view>

namespace emu {
namespace {

// -1: no device.
int DeviceNamed(std::string_view name, int num_physical) {
  while (!name.empty() && name.front() == ' ') name.remove_prefix(1);
  int number = -1;
  const auto [end, code] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (code != std::errc() || end == name.data()) return -1;
  return number >= 0 && number < num_physical ? number : -1;
}

}  // namespace

std::vector<int> VisibleDevices(const char* text, int num_physical) {
  std::vector<int> visible;
  if (text == nullptr) {
    visible.resize(static_cast<size_t>(num_physical));
    std::iota(visible.begin(), visible.end(), 0);
    return visible;
  }
  std::string_view rest(text);
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    const int device = DeviceNamed(rest.substr(0, comma), num_physical);
    if (device < 0) break;
    if (std::find(visible.begin(), visible.end(), device) != visible.end()) return {};
    visible.push_back(device);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  return visible;
}

}  // namespace emu
