#include "emulator/cudart/settings.h"

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>

namespace emu {
namespace {

constexpr int kMaxDevices = 16;
constexpr size_t kMinMemory = size_t{1} << 20;
constexpr size_t kMaxMemory = size_t{1} << 40;
constexpr int kMaxProgressMs = 3'600'000;

std::optional<uint64_t> ParseNumber(std::string_view text, bool with_unit) {
  uint64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end == text.data()) return std::nullopt;
  const std::string_view unit(end, text.data() + text.size() - end);
  if (unit.empty()) return value;
  const size_t power = std::string_view("KMG").find(unit);
  if (!with_unit || power == std::string_view::npos || unit.size() != 1) return std::nullopt;
  const size_t shift = 10 * (power + 1);
  if (value > (UINT64_MAX >> shift)) return std::nullopt;
  return value << shift;
}

bool SetInt(std::string_view value, int low, int high, int* out) {
  const std::optional<uint64_t> number = ParseNumber(value, false);
  if (!number || *number < static_cast<uint64_t>(low) || *number > static_cast<uint64_t>(high)) {
    return false;
  }
  *out = static_cast<int>(*number);
  return true;
}

bool SetStreams(std::string_view value, StreamOrder* out) {
  if (value == "lazy") {
    *out = StreamOrder::kLazy;
  } else if (value == "eager") {
    *out = StreamOrder::kEager;
  } else if (value == "random") {
    *out = StreamOrder::kRandom;
  } else {
    return false;
  }
  return true;
}

bool SetMemory(std::string_view value, size_t* out) {
  const std::optional<uint64_t> bytes = ParseNumber(value, true);
  if (!bytes || *bytes < kMinMemory || *bytes > kMaxMemory) return false;
  *out = *bytes;
  return true;
}

// What a key takes, for the sentence that refuses a value.
std::string_view ValuesOf(std::string_view key) {
  if (key == "streams") return "lazy, eager or random";
  if (key == "devices") return "1 to 16";
  if (key == "memory") return "1M to 1024G";
  if (key == "progress_ms") return "0 to 3600000";
  return "a file's name";
}

enum class Taken { kOk, kBad, kNotOurs };

Taken Take(std::string_view key, std::string_view value, Settings* settings) {
  bool ok = false;
  if (key == "streams") {
    ok = SetStreams(value, &settings->streams);
  } else if (key == "devices") {
    ok = SetInt(value, 1, kMaxDevices, &settings->num_devices);
  } else if (key == "memory") {
    ok = SetMemory(value, &settings->memory_bytes);
  } else if (key == "progress_ms") {
    ok = SetInt(value, 0, kMaxProgressMs, &settings->progress_ms);
  } else if (key == "counters_file") {
    settings->counters_file = value;
    ok = !value.empty();
  } else {
    return Taken::kNotOurs;
  }
  return ok ? Taken::kOk : Taken::kBad;
}

}  // namespace

bool ParseSettings(std::string_view text, Settings* settings, std::string* error) {
  std::string rest;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view item = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    const size_t equals = item.find('=');
    const std::string_view key = item.substr(0, equals);
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : item.substr(equals + 1);
    switch (Take(key, value, settings)) {
      case Taken::kOk:
        break;
      case Taken::kBad:
        *error = "'" + std::string(value) + "' is not a value of '" + std::string(key) +
                 "': " + std::string(ValuesOf(key));
        return false;
      case Taken::kNotOurs:
        if (!rest.empty()) rest += ',';
        rest += item;
    }
  }
  std::string interpreter_error;
  settings->interpreter = ParseOptions(rest, &interpreter_error);
  if (interpreter_error.empty()) return true;
  *error = interpreter_error;
  return false;
}

const Settings* ProcessSettings() {
  static const std::optional<Settings> settings = []() -> std::optional<Settings> {
    Settings parsed;
    std::string error;
    const char* text = std::getenv("SWITCHYARD_EMULATOR");
    if (ParseSettings(text == nullptr ? "" : text, &parsed, &error)) return parsed;
    std::fprintf(stderr, "switchyard emulator: SWITCHYARD_EMULATOR: %s\n", error.c_str());
    return std::nullopt;
  }();
  return settings ? &*settings : nullptr;
}

}  // namespace emu
