#include "emulator/ptx/call_ops.h"

#include <algorithm>
#include <bit>
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

// One conversion of a format, "%-8.3lf".
struct Conversion {
  std::string flags;
  uint32_t width = 0;
  int32_t precision = -1;  // none
  std::string length;      // "", "h", "hh" or "ll"
  char letter = '%';       // '\0': the format ends within it

  bool is_float() const { return std::strchr("eEfFgGaA", letter) != nullptr; }
  // Bytes that it takes from the argument list.
  uint32_t bytes() const {
    return length == "ll" || letter == 's' || letter == 'p' || is_float() ? 8 : 4;
  }
};

constexpr uint32_t kMaxField = 500;  // of a width or precision

uint32_t ReadField(const std::string& format, size_t& at) {
  uint32_t value = 0;
  for (; at < format.size() && format[at] >= '0' && format[at] <= '9'; ++at) {
    value = std::min(kMaxField, value * 10 + static_cast<uint32_t>(format[at] - '0'));
  }
  return value;
}

// From behind the '%' at `at`, which is moved behind the conversion.
Conversion ReadConversion(const std::string& format, size_t& at) {
  Conversion result;
  const auto takes = [&](const char* set) {
    return at < format.size() && std::strchr(set, format[at]) != nullptr;
  };
  for (; takes("-+ #0"); ++at) {
    if (result.flags.find(format[at]) == std::string::npos) result.flags += format[at];
  }
  result.width = ReadField(format, at);
  if (takes(".")) result.precision = static_cast<int32_t>(ReadField(format, ++at));
  for (; takes("hlLjzt"); ++at) {
    if (format[at] != 'h') {
      result.length = "ll";
    } else if (result.length.size() < 2) {
      result.length += 'h';
    }
  }
  result.letter = at < format.size() ? format[at++] : '\0';
  return result;
}

std::string Print(const Conversion& c, const std::string& length, auto value) {
  std::string spec = "%" + c.flags;
  if (c.width != 0) spec += std::to_string(c.width);
  if (c.precision >= 0) spec.append(1, '.').append(std::to_string(c.precision));
  spec.append(length).append(1, c.letter);
  std::string out(std::snprintf(nullptr, 0, spec.c_str(), value), '\0');
  std::snprintf(out.data(), out.size() + 1, spec.c_str(), value);
  return out;
}

std::string Convert(const Warp& warp, int lane, const Conversion& c, uint64_t bits) {
  if (c.letter == 's') return Print(c, "", ReadText(warp, bits, lane).c_str());
  if (c.letter == 'p') return Print(c, "", reinterpret_cast<void*>(bits));
  if (c.is_float()) return Print(c, "", std::bit_cast<double>(bits));
  if (c.length == "ll") return Print(c, "ll", static_cast<unsigned long long>(bits));
  return Print(c, c.length, static_cast<unsigned>(bits));
}

std::string Format(const Warp& warp, int lane, const std::string& format, uint64_t values) {
  std::string result;
  uint64_t offset = 0;
  for (size_t at = 0; at < format.size();) {
    const char c = format[at++];
    if (c != '%') {
      result += c;
      continue;
    }
    const Conversion conversion = ReadConversion(format, at);
    if (conversion.letter == '\0') break;
    if (conversion.letter == '%') {
      result += '%';
    } else if (std::strchr("diouxXcspeEfFgGaA", conversion.letter) != nullptr) {
      const uint32_t bytes = conversion.bytes();
      offset = (offset + bytes - 1) / bytes * bytes;
      uint64_t bits = 0;
      std::memcpy(&bits, warp.GenericPointer(values + offset, bytes, lane), bytes);
      offset += bytes;
      result += Convert(warp, lane, conversion, bits);
    }
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
