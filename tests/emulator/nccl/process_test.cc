// Ranks as processes: they find each other, they die, and nothing of them is left.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/emulator/nccl/peer_process.h"

namespace emu {
namespace {

using Peers = std::vector<std::unique_ptr<PeerProcess>>;

std::unique_ptr<PeerProcess> StartPeer(int rank, int num_ranks, const std::string& id,
                                       const std::string& scenario,
                                       const std::vector<std::string>& environment = {}) {
  return std::make_unique<PeerProcess>(
      std::vector<std::string>{SWITCHYARD_NCCL_PEER, std::to_string(rank),
                               std::to_string(num_ranks), id, scenario},
      environment);
}

// Rank 0 makes the id that the others are given.
Peers StartPeers(int num_ranks, const std::string& scenario,
                 const std::vector<std::string>& environment = {}) {
  Peers peers;
  peers.push_back(StartPeer(0, num_ranks, "-", scenario, environment));
  const std::string id = peers[0]->ReadLine();
  for (int r = 1; r < num_ranks; ++r) {
    peers.push_back(StartPeer(r, num_ranks, id, scenario, environment));
  }
  return peers;
}

// Names in /dev/shm that could be ours. Communicators have none, so any is a leak.
std::vector<std::string> NamedMemory() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm")) {
    const std::string name = entry.path().filename();
    if (name.find("nccl") != std::string::npos) names.push_back(name);
  }
  return names;
}

class Processes : public testing::TestWithParam<int> {};

TEST_P(Processes, ReduceAndExchange) {
  const Peers peers = StartPeers(GetParam(), "sums");
  for (const auto& peer : peers) {
    EXPECT_EQ(peer->ReadLine(), "done");
    EXPECT_EQ(peer->Wait(), 0);
  }
  EXPECT_TRUE(NamedMemory().empty());
}

INSTANTIATE_TEST_SUITE_P(Ranks, Processes, testing::Values(1, 2, 4, 8),
                         [](const auto& info) { return std::to_string(info.param); });

TEST(DeadPeer, LeavesTheOthersWaitingUntilTheyAbort) {
  const Peers peers = StartPeers(4, "loop");
  for (const auto& peer : peers) ASSERT_EQ(peer->ReadLine(), "looping");
  peers[2]->Signal(SIGKILL);
  EXPECT_EQ(peers[2]->Wait(), 128 + SIGKILL);
  for (const int r : {0, 1, 3}) {
    PeerProcess& peer = *peers[static_cast<size_t>(r)];
    peer.WriteLine("state");
    EXPECT_EQ(peer.ReadLine(), "state 0 ") << "the library does not know that a peer is gone";
    peer.WriteLine("abort");
    EXPECT_EQ(peer.ReadLine(), "aborted, memory is free");
    EXPECT_EQ(peer.Wait(), 0);
  }
  EXPECT_TRUE(NamedMemory().empty());
}

TEST(DeadPeer, IsARemoteErrorWhereThatIsAskedFor) {
  const Peers peers = StartPeers(3, "loop", {"SWITCHYARD_EMULATOR_NCCL=dead_peer=error"});
  for (const auto& peer : peers) ASSERT_EQ(peer->ReadLine(), "looping");
  peers[1]->Signal(SIGKILL);  // not waited for: the dead process keeps its id
  const std::string gone = "rank 1 (process " + std::to_string(peers[1]->pid()) + ") has ended";
  for (const int r : {0, 2}) {
    PeerProcess& peer = *peers[static_cast<size_t>(r)];
    std::string state;
    do {
      peer.WriteLine("state");
      state = peer.ReadLine();
    } while (state == "state 0 ");
    EXPECT_EQ(state, "state 6 " + gone);
  }
  for (const int r : {0, 2}) {
    PeerProcess& peer = *peers[static_cast<size_t>(r)];
    peer.WriteLine("abort");
    EXPECT_EQ(peer.ReadLine(), "aborted, memory is free");
    EXPECT_EQ(peer.Wait(), 0);
  }
}

TEST(DeadPeer, ThatMadeTheIdIsFoundMissing) {
  auto first = StartPeer(0, 2, "-", "idle");
  const std::string id = first->ReadLine();
  first->Signal(SIGKILL);
  first->Wait();
  auto second = StartPeer(1, 2, id, "idle");
  EXPECT_EQ(second->ReadLine(), "init 6");
  EXPECT_TRUE(NamedMemory().empty());
}

TEST(AllPeers, KilledAtOnceLeaveNothing) {
  const Peers peers = StartPeers(4, "loop");
  for (const auto& peer : peers) ASSERT_EQ(peer->ReadLine(), "looping");
  for (const auto& peer : peers) peer->Signal(SIGKILL);
  for (const auto& peer : peers) EXPECT_EQ(peer->Wait(), 128 + SIGKILL);
  EXPECT_TRUE(NamedMemory().empty());
}

}  // namespace
}  // namespace emu
