// One rank as a process of its own, for process_test:  nccl_peer RANK NUM_RANKS ID|- SCENARIO
// ID is in hexadecimal; with "-" the process makes one and prints it. Scenarios:
//   sums   some collectives and exchanges, checked; prints "done"
//   loop   all-reduces without end; prints "looping" after the first, then obeys lines on its
//          standard input: "state" prints the asynchronous error, "abort" aborts, prints "aborted"
//          and whether the communicator's memory is still mapped, and ends
//   idle   joins, prints "idle" and does nothing more
#include <nccl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "tests/emulator/nccl/test_runtime.h"

namespace emu {
namespace {

std::string ToHex(const ncclUniqueId& id) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const char c : id.internal) {
    hex += kDigits[static_cast<unsigned char>(c) >> 4];
    hex += kDigits[c & 15];
  }
  return hex;
}

ncclUniqueId FromHex(const std::string& hex) {
  ncclUniqueId id;
  for (size_t i = 0; i < sizeof id; ++i) {
    id.internal[i] = static_cast<char>(std::stoi(hex.substr(2 * i, 2), nullptr, 16));
  }
  return id;
}

void Say(const std::string& line) { std::cout << line << std::endl; }

void Require(bool holds, const std::string& what) {
  if (holds) return;
  Say("failed: " + what + ": " + ncclGetLastError(nullptr));
  std::exit(1);
}

void Sums(ncclComm_t comm, int rank, int num_ranks) {
  CUstream_st stream;
  for (const size_t count : {1, 5'000, 300'001}) {
    std::vector<float> values(count, static_cast<float>(rank + 1));
    Require(ncclAllReduce(values.data(), values.data(), count, ncclFloat, ncclSum, comm, &stream) ==
                ncclSuccess,
            "all-reduce");
    stream.Synchronize();
    const auto sum = static_cast<float>(num_ranks * (num_ranks + 1) / 2);
    Require(values == std::vector<float>(count, sum), "sum");

    std::vector<int32_t> sent(count * static_cast<size_t>(num_ranks), rank);
    std::vector<int32_t> received(sent.size(), -1);
    ncclGroupStart();
    for (int peer = 0; peer < num_ranks; ++peer) {
      const size_t at = static_cast<size_t>(peer) * count;
      ncclSend(&sent[at], count, ncclInt32, peer, comm, &stream);
      ncclRecv(&received[at], count, ncclInt32, peer, comm, &stream);
    }
    Require(ncclGroupEnd() == ncclSuccess, "exchange");
    stream.Synchronize();
    for (size_t i = 0; i < received.size(); ++i) {
      Require(received[i] == static_cast<int32_t>(i / count), "what was exchanged");
    }
  }
  Require(ncclCommDestroy(comm) == ncclSuccess, "destroy");
  Say("done");
}

bool MemoryIsMapped() {
  std::ifstream maps("/proc/self/maps");
  std::string line;
  while (std::getline(maps, line)) {
    if (line.find("switchyard-nccl") != std::string::npos &&
        line.find("rw-s 00000000") != std::string::npos) {
      return true;
    }
  }
  return false;
}

void Loop(ncclComm_t comm) {
  std::thread worker([comm] {
    CUstream_st stream;
    std::vector<float> values(200'000, 1);
    const auto reduce = [&] {
      const ncclResult_t result = ncclAllReduce(values.data(), values.data(), values.size(),
                                                ncclFloat, ncclMax, comm, &stream);
      stream.Synchronize();
      return result == ncclSuccess;
    };
    reduce();
    Say("looping");
    while (reduce()) {
    }
  });
  std::string command;
  while (std::getline(std::cin, command)) {
    if (command == "state") {
      ncclResult_t state = ncclInternalError;
      ncclCommGetAsyncError(comm, &state);
      Say("state " + std::to_string(state) + " " + ncclGetLastError(comm));
    } else if (command == "abort") {
      Require(ncclCommAbort(comm) == ncclSuccess, "abort");
      worker.join();
      Say(std::string("aborted, memory is ") + (MemoryIsMapped() ? "mapped" : "free"));
      return;
    }
  }
  std::_Exit(2);  // the test has gone
}

int Main(int argc, char** argv) {
  if (argc != 5) return 2;
  const int rank = std::atoi(argv[1]);
  const int num_ranks = std::atoi(argv[2]);
  const std::string scenario = argv[4];
  ncclUniqueId id;
  if (std::string(argv[3]) == "-") {
    Require(ncclGetUniqueId(&id) == ncclSuccess, "unique id");
    Say(ToHex(id));
  } else {
    id = FromHex(argv[3]);
  }
  ncclComm_t comm = nullptr;
  const ncclResult_t joined = ncclCommInitRank(&comm, num_ranks, id, rank);
  if (joined != ncclSuccess) {
    Say("init " + std::to_string(joined));
    return 1;
  }
  if (scenario == "sums") Sums(comm, rank, num_ranks);
  if (scenario == "loop") Loop(comm);
  if (scenario == "idle") {
    Say("idle");
    pause();
  }
  return 0;
}

}  // namespace
}  // namespace emu

int main(int argc, char** argv) { return emu::Main(argc, argv); }
