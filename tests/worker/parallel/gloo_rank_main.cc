// One rank of a Gloo communicator as a process of its own, for gloo_process_test and for timing by
// hand:
//   gloo_rank RANK SIZE FOLDER CALLS BYTES
// Ranks find each other through files in FOLDER. Prints "connected", makes CALLS pairs of
// all-gather and all-to-all of BYTES per rank (for ever when CALLS is 0), checks every result, and
// prints "done" and microseconds per call, or the status that ended it.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "worker/parallel/gloo_collectives.h"

namespace switchyard::worker {
namespace {

using Clock = std::chrono::steady_clock;

class FolderRendezvous final : public RendezvousStore {
 public:
  explicit FolderRendezvous(std::filesystem::path folder) : folder_(std::move(folder)) {}

  absl::Status Put(std::string_view key, std::string_view value) override {
    return WriteFile(PathOf(key), value);
  }
  absl::StatusOr<std::string> Wait(std::string_view key, Deadline deadline) override {
    for (;;) {
      absl::StatusOr<std::string> value = ReadFile(PathOf(key), kMaxValueBytes);
      if (value.ok() || Clock::now() >= deadline) return value;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }

 private:
  std::string PathOf(std::string_view key) const {
    std::string name(key);
    for (char& c : name) c = c == '/' ? '_' : c;
    return (folder_ / name).string();
  }
  const std::filesystem::path folder_;
};

void Say(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

// One call with a pattern that depends on `call` and rank; adds the time of the collective alone to
// `time`.
absl::Status CallOnce(Collectives& world, int64_t call, bool all_to_all, std::vector<uint8_t>& in,
                      std::vector<uint8_t>& out, Clock::duration& time) {
  const int64_t num_bytes = std::ssize(out) / world.size();
  std::ranges::fill(in, static_cast<uint8_t>(call + world.rank()));
  const Clock::time_point start = Clock::now();
  SY_RETURN_IF_ERROR(all_to_all ? world.AllToAll(in.data(), out.data(), num_bytes)
                                : world.AllGather(in.data(), out.data(), num_bytes));
  time += Clock::now() - start;
  for (int r = 0; r < world.size(); ++r) {
    const auto begin = out.begin() + r * num_bytes;
    if (std::count(begin, begin + num_bytes, static_cast<uint8_t>(call + r)) != num_bytes) {
      return absl::DataLossError(fmt::format("call {}: the block of rank {} is wrong", call, r));
    }
  }
  return absl::OkStatus();
}

double Microseconds(Clock::duration time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

absl::Status Run(const CommunicatorOptions& options, const std::string& folder, int64_t num_calls,
                 int64_t num_bytes) {
  FolderRendezvous store(folder);
  SY_ASSIGN_OR_RETURN(auto device, OpenGlooDevice({}));
  SY_ASSIGN_OR_RETURN(const auto world, ConnectGloo(device, store, options));
  Say("connected");
  std::vector<uint8_t> in(num_bytes * options.size), out(num_bytes * options.size);
  Clock::duration time[2] = {};
  for (int64_t call = 0; num_calls == 0 || call < num_calls; ++call) {
    for (const bool all_to_all : {false, true}) {
      SY_RETURN_IF_ERROR(CallOnce(*world, call, all_to_all, in, out, time[all_to_all]));
    }
  }
  const auto per_call = static_cast<double>(std::max<int64_t>(num_calls, 1));
  Say(fmt::format("done: all-gather {:.1f} us, all-to-all {:.1f} us",
                  Microseconds(time[0]) / per_call, Microseconds(time[1]) / per_call));
  return absl::OkStatus();
}

}  // namespace
}  // namespace switchyard::worker

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fputs("gloo_rank RANK SIZE FOLDER CALLS BYTES\n", stderr);
    return 2;
  }
  // The long timeout makes sure that a test which sees an error in time did not see this one.
  const absl::Status status =
      switchyard::worker::Run({.name = "world",
                               .rank = std::atoi(argv[1]),
                               .size = std::atoi(argv[2]),
                               .timeout = std::chrono::minutes(5)},
                              argv[3], std::atoll(argv[4]), std::atoll(argv[5]));
  if (status.ok()) return 0;
  switchyard::worker::Say(status.ToString());
  return 1;
}
