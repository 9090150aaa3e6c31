#include "emulator/ptx/call_ops.h"

#include <cstdio>
#include <cstring>
#include <string>

#include "emulator/ptx/fault.h"
#include "emulator/ptx/warp.h"

namespace emu {
namespace {

constexpr size_t kMaxText = 4096;  // of a string that a program prints

void CopyWithin(Warp& warp, const Op& op, LaneMask active) {
  const auto& copies = static_cast<const LocalCopies*>(op.extra)->copies;
  for (int lane = 0; lane < kWarpSize; ++lane) {
    if (!(active >> lane & 1)) continue;
    for (const LocalCopies::Copy& copy : copies) {
      std::memmove(warp.local(lane) + copy.to, warp.local(lane) + copy.from, copy.bytes);
    }
  }
}

template <class T>
T Argument(const Warp& warp, int lane, uint32_t offset) {
  T value;
  std::memcpy(&value, warp.local(lane) + offset, sizeof value);
  return value;
}

std::string ReadText(const Warp& warp, uint64_t address, int lane) {
  std::string text;
  while (text.size() < kMaxText) {
    const char c = static_cast<char>(*warp.GenericPointer(address + text.size(), 1, lane));
    if (c == '\0') break;
    text += c;
  }
  return text;
}

// One conversion of a format: its flags, its letter, and how much of the argument list it takes.
std::string FormatOne(const Warp& warp, int lane, const std::string& spec, uint64_t values,
                      uint64_t& offset) {
  const char letter = spec.back();
  const bool wide = spec.find("ll") != std::string::npos || spec.find('l') != std::string::npos ||
                    letter == 's' || letter == 'p' || spec.find_first_of("eEfFgGaA") != spec.npos;
  if (wide) offset = (offset + 7) / 8 * 8;
  uint64_t bits = 0;
  std::memcpy(&bits, warp.GenericPointer(values + offset, wide ? 8 : 4, lane), wide ? 8 : 4);
  offset += wide ? 8 : 4;
  char out[512] = "";
  if (letter == 's') {
    return ReadText(warp, bits, lane);
  } else if (std::strchr("eEfFgGaA", letter) != nullptr) {
    double value;
    std::memcpy(&value, &bits, sizeof value);
    std::snprintf(out, sizeof out, spec.c_str(), value);
  } else if (letter == 'p') {
    std::snprintf(out, sizeof out, "0x%llx", static_cast<unsigned long long>(bits));
  } else if (wide) {
    std::snprintf(out, sizeof out, spec.c_str(), static_cast<unsigned long long>(bits));
  } else {
    std::snprintf(out, sizeof out, spec.c_str(), static_cast<unsigned>(bits));
  }
  return out;
}

std::string Format(const Warp& warp, int lane, const std::string& format, uint64_t values) {
  std::string result;
  uint64_t offset = 0;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      result += format[i];
      continue;
    }
    const size_t end = format.find_first_not_of("0123456789.-+ #lhzjt", i + 1);
    if (end == std::string::npos) break;
    if (format[end] == '%') {
      result += '%';
    } else if (std::strchr("diouxXcspeEfFgGaA", format[end]) != nullptr) {
      result += FormatOne(warp, lane, format.substr(i, end - i + 1), values, offset);
    }
    i = end;
  }
  return result;
}

}  // namespace

Step Call(Warp& warp, const Op& op, LaneMask active) {
  CopyWithin(warp, op, active);
  for (int lane = 0; lane < kWarpSize; ++lane) {
    if (active >> lane & 1) warp.call_stack(lane).push_back(warp.current_pc() + 1);
  }
  warp.set_jump_target(static_cast<uint32_t>(op.immediate));
  return Step::kJump;
}

Step TakeResults(Warp& warp, const Op& op, LaneMask active) {
  CopyWithin(warp, op, active);
  return Step::kNext;
}

Step PrintFormatted(Warp& warp, const Op& op, LaneMask active) {
  const auto& call = *static_cast<const ExternalCall*>(op.extra);
  for (int lane = 0; lane < kWarpSize; ++lane) {
    if (!(active >> lane & 1)) continue;
    const auto format = Argument<uint64_t>(warp, lane, call.arguments[0]);
    const auto values = Argument<uint64_t>(warp, lane, call.arguments[1]);
    const std::string text = Format(warp, lane, ReadText(warp, format, lane), values);
    std::fwrite(text.data(), 1, text.size(), stdout);
    if (!call.has_result) continue;
    const auto length = static_cast<int32_t>(text.size());
    std::memcpy(warp.local(lane) + call.result, &length, sizeof length);
  }
  std::fflush(stdout);
  return Step::kNext;
}

Step AssertFailed(Warp& warp, const Op& op, LaneMask active) {
  const auto& call = *static_cast<const ExternalCall*>(op.extra);
  const int lane = __builtin_ctz(active);
  auto text = [&](int i) {
    return ReadText(warp, Argument<uint64_t>(warp, lane, call.arguments[i]), lane);
  };
  throw Fault(FaultKind::kAssert, lane,
              text(1) + ":" + std::to_string(Argument<uint32_t>(warp, lane, call.arguments[2])) +
                  ": " + text(3) + ": assertion `" + text(0) + "` failed");
}

}  // namespace emu
