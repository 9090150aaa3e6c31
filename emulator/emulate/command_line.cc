#include "emulator/emulate/command_line.h"

#include <getopt.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <system_error>

namespace emu {
namespace {

enum class Value { kNone, kChoice, kNumber, kSize, kFile };

// A flag that sets one key; kNone sets it to `choices`.
struct Flag {
  const char* name;
  const char* key;
  Value value;
  const char* choices;  // "a|b|c" of kChoice
  uint64_t smallest = 0;
  uint64_t largest = 0;
};

constexpr std::array<Flag, 14> kFlags = {{
    {"schedule", "schedule", Value::kChoice, "fixed|random"},
    {"async", "async", Value::kChoice, "eager|late|random"},
    {"seed", "seed", Value::kNumber, "", 0, UINT64_MAX},
    {"race", "race", Value::kNone, "1"},
    {"no-memcheck", "memcheck", Value::kNone, "0"},
    {"initcheck", "initcheck", Value::kNone, "1"},
    {"counters", "counters_file", Value::kFile, ""},
    {"numerics", "numerics", Value::kChoice, "fast|h100"},
    {"devices", "devices", Value::kNumber, "", 1, 16},
    {"memory", "memory", Value::kSize, ""},
    {"threads", "threads", Value::kNumber, "", 1, 1024},
    {"step-limit", "step_limit", Value::kNumber, "", 0, UINT64_MAX},
    {"streams", "streams", Value::kChoice, "lazy|eager|random"},
    {"dead-peer", "dead_peer", Value::kChoice, "hang|error"},
}};

struct ActionFlag {
  const char* name;
  CommandLine::Action action;
};
constexpr std::array<ActionFlag, 3> kActions = {{
    {"help", CommandLine::Action::kHelp},
    {"list-checks", CommandLine::Action::kListChecks},
    {"print-environment", CommandLine::Action::kPrintEnvironment},
}};

// getopt's number of the flags, then of the actions; above every character.
constexpr int kFirstFlag = 256;
constexpr int kFirstAction = kFirstFlag + static_cast<int>(kFlags.size());

bool IsChoice(std::string_view value, std::string_view choices) {
  while (!choices.empty()) {
    const size_t bar = choices.find('|');
    if (choices.substr(0, bar) == value) return true;
    if (bar == std::string_view::npos) return false;
    choices.remove_prefix(bar + 1);
  }
  return false;
}

bool IsNumber(std::string_view value, uint64_t smallest, uint64_t largest) {
  uint64_t number = 0;
  const char* end = value.data() + value.size();
  const auto [last, code] = std::from_chars(value.data(), end, number);
  return code == std::errc() && last == end && number >= smallest && number <= largest;
}

// Bytes, or a number with K, M or G; from 1M to 1024G, as the runtime takes them.
bool IsSize(std::string_view value) {
  constexpr uint64_t kSmallest = uint64_t{1} << 20, kLargest = uint64_t{1} << 40;
  const size_t unit =
      value.empty() ? std::string_view::npos : std::string_view("KMG").find(value.back());
  if (unit == std::string_view::npos) return IsNumber(value, kSmallest, kLargest);
  value.remove_suffix(1);
  const auto shift = static_cast<uint32_t>(10 * (unit + 1));
  return IsNumber(value, ((kSmallest - 1) >> shift) + 1, kLargest >> shift);
}

// What the flag's value must be, for the sentence that refuses it; empty if `value` is that.
std::string Fault(const Flag& flag, std::string_view value) {
  switch (flag.value) {
    case Value::kChoice:
      return IsChoice(value, flag.choices) ? "" : flag.choices;
    case Value::kNumber:
      if (IsNumber(value, flag.smallest, flag.largest)) return "";
      return "a number from " + std::to_string(flag.smallest) +
             (flag.largest == UINT64_MAX ? "" : " to " + std::to_string(flag.largest));
    case Value::kSize:
      return IsSize(value) ? "" : "bytes, or a number with K, M or G, from 1M to 1024G";
    case Value::kFile:
      if (!value.empty() && value.find(',') == std::string_view::npos) return "";
      return "a file whose name has no comma";
    case Value::kNone:
      break;
  }
  return "";
}

bool Apply(const Flag& flag, const char* argument, CommandLine* line, std::string* error) {
  std::string value = flag.value == Value::kNone ? flag.choices : argument;
  if (const std::string fault = Fault(flag, value); !fault.empty()) {
    *error = "--" + std::string(flag.name) + " takes " + fault + ", not '" + value + "'";
    return false;
  }
  if (flag.value == Value::kFile) {
    // The command may change its folder; the file belongs where the caller stands.
    std::error_code ignored;
    value = std::filesystem::absolute(value, ignored).string();
    line->emulator.Set("counters", "1");
  }
  SettingList& list = std::string_view(flag.key) == "dead_peer" ? line->nccl : line->emulator;
  list.Set(flag.key, value);
  return true;
}

std::vector<option> LongOptions() {
  std::vector<option> options;
  for (size_t i = 0; i < kFlags.size(); ++i) {
    options.push_back({kFlags[i].name,
                       kFlags[i].value == Value::kNone ? no_argument : required_argument, nullptr,
                       kFirstFlag + static_cast<int>(i)});
  }
  for (size_t i = 0; i < kActions.size(); ++i) {
    options.push_back({kActions[i].name, no_argument, nullptr, kFirstAction + static_cast<int>(i)});
  }
  options.push_back({nullptr, 0, nullptr, 0});
  return options;
}

}  // namespace

bool ParseCommandLine(int argc, char** argv, const std::string& emulator, const std::string& nccl,
                      CommandLine* line, std::string* error) {
  line->emulator = SettingList(emulator);
  line->nccl = SettingList(nccl);
  const std::vector<option> options = LongOptions();
  optind = 0;  // a fresh start: the function may be called again
  opterr = 0;
  for (;;) {
    // "+": the first word that is no flag begins the command. ":": a missing value has its own
    // answer.
    const int found = getopt_long(argc, argv, "+:h", options.data(), nullptr);
    if (found == -1) break;
    if (found == ':' || found == '?') {
      const std::string word = argv[optind - 1];
      *error = found == ':' ? word + " takes a value" : "unknown flag " + word;
      return false;
    }
    if (found == 'h' || found >= kFirstAction) {
      line->action = found == 'h' ? CommandLine::Action::kHelp
                                  : kActions[static_cast<size_t>(found - kFirstAction)].action;
    } else if (!Apply(kFlags[static_cast<size_t>(found - kFirstFlag)], optarg, line, error)) {
      return false;
    }
  }
  line->command.assign(argv + optind, argv + argc);
  if (line->action != CommandLine::Action::kRun || !line->command.empty()) return true;
  *error = "which command shall run?";
  return false;
}

}  // namespace emu
