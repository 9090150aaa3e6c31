#include "emulator/ptx/options.h"

#include <charconv>
#include <optional>

namespace emu {
namespace {

template <class T>
struct Choice {
  std::string_view name;
  T value;
};

template <class T, size_t n>
bool Choose(std::string_view text, const Choice<T> (&choices)[n], T* out) {
  for (const Choice<T>& choice : choices) {
    if (choice.name == text) {
      *out = choice.value;
      return true;
    }
  }
  return false;
}

template <class T>
bool ParseNumber(std::string_view text, T* out) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), *out);
  return !text.empty() && parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

constexpr Choice<Schedule> kSchedules[] = {{"fixed", Schedule::kFixed},
                                           {"random", Schedule::kRandom}};
constexpr Choice<AsyncCompletion> kCompletions[] = {{"eager", AsyncCompletion::kEager},
                                                    {"late", AsyncCompletion::kLate},
                                                    {"random", AsyncCompletion::kRandom}};
constexpr Choice<Numerics> kNumerics[] = {{"fast", Numerics::kFast}, {"h100", Numerics::kH100}};
constexpr Choice<bool> kSwitch[] = {{"0", false}, {"1", true}};

// False: the value does not fit; nothing: the name is unknown.
std::optional<bool> Set(std::string_view name, std::string_view value, Options* options) {
  if (name == "schedule") return Choose(value, kSchedules, &options->schedule);
  if (name == "async") return Choose(value, kCompletions, &options->async);
  if (name == "numerics") return Choose(value, kNumerics, &options->numerics);
  if (name == "race") return Choose(value, kSwitch, &options->race);
  if (name == "memcheck") return Choose(value, kSwitch, &options->memcheck);
  if (name == "initcheck") return Choose(value, kSwitch, &options->initcheck);
  if (name == "counters") return Choose(value, kSwitch, &options->counters);
  if (name == "seed") return ParseNumber(value, &options->seed);
  if (name == "poll_limit") return ParseNumber(value, &options->poll_limit);
  if (name == "step_limit") return ParseNumber(value, &options->step_limit);
  if (name == "threads") {
    return ParseNumber(value, &options->os_threads) && options->os_threads >= 0 &&
           options->os_threads <= 1024;
  }
  return std::nullopt;
}

}  // namespace

Options ParseOptions(std::string_view text, std::string* error) {
  Options options;
  error->clear();
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::string_view item = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    if (item.empty()) continue;
    const size_t equals = std::min(item.find('='), item.size());
    const std::string_view name = item.substr(0, equals);
    const std::string_view value = item.substr(std::min(equals + 1, item.size()));
    const std::optional<bool> set = Set(name, value, &options);
    if (set == true) continue;
    *error = set.has_value()
                 ? "value '" + std::string(value) + "' does not fit '" + std::string(name) + "'"
                 : "unknown option '" + std::string(name) +
                       "' (schedule, async, seed, race, memcheck, initcheck, counters, numerics, "
                       "threads, poll_limit, step_limit)";
    return Options{};
  }
  return options;
}

}  // namespace emu
