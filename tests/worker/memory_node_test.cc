// Workers of one host on the memory nodes of its machine.
#include "worker/memory_node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <filesystem>
#include <fstream>

namespace switchyard::worker {
namespace {

using ::testing::ElementsAre;

TEST(ParseCpuList, TakesNumbersAndRanges) {
  EXPECT_THAT(ParseCpuList("0-3,8,10-11"), ::testing::Optional(ElementsAre(0, 1, 2, 3, 8, 10, 11)));
  EXPECT_THAT(ParseCpuList("7"), ::testing::Optional(ElementsAre(7)));
  EXPECT_THAT(ParseCpuList(""), ::testing::Optional(ElementsAre()));
  for (const char* text : {"a", "1-", "-1", "3-1", "1,", ",1", "1 2", "0-99999", "99999999999"}) {
    EXPECT_FALSE(ParseCpuList(text).has_value()) << text;
  }
}

TEST(CpusByNode, AreThoseThatTheProcessMayUse) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / "memory_node_test";
  const auto write = [&](const std::string& name, const char* text) {
    std::filesystem::create_directories((folder / name).parent_path());
    std::ofstream(folder / name) << text;
  };
  write("online", "0-2,4\n");
  write("node0/cpulist", "0-3,8-11\n");  // with a second thread of each core
  write("node1/cpulist", "4-7,12-15\n");
  write("node2/cpulist", "\n");  // memory alone
  const std::vector<int> allowed = {2, 3, 4, 5, 6, 9, 12};
  EXPECT_THAT(CpusByNode(folder, allowed),
              ElementsAre(ElementsAre(2, 3, 9), ElementsAre(4, 5, 6, 12)));
  EXPECT_THAT(CpusByNode(folder, {4, 12}), ElementsAre(ElementsAre(4, 12)));
  EXPECT_THAT(CpusByNode(folder / "none", allowed), ElementsAre());
  std::filesystem::remove_all(folder);
}

// Or none, where the system does not tell.
TEST(CpusByNode, OfThisMachineHaveAllThatTheProcessMayUse) {
  const std::string folder = "/sys/devices/system/node";
  cpu_set_t set;
  ASSERT_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
  std::vector<int> allowed, found;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) allowed.push_back(cpu);
  }
  for (const std::vector<int>& cpus : CpusByNode(folder, allowed)) {
    found.insert(found.end(), cpus.begin(), cpus.end());
  }
  if (!std::filesystem::exists(folder)) allowed.clear();
  EXPECT_THAT(found, ::testing::UnorderedElementsAreArray(allowed));
}

TEST(NodeOfWorker, NeighboursAreTogetherAndNodesHaveAsMany) {
  std::vector<size_t> nodes;
  for (int worker = 0; worker < 8; ++worker) nodes.push_back(*NodeOfWorker(worker, 8, 2));
  EXPECT_THAT(nodes, ElementsAre(0, 0, 0, 0, 1, 1, 1, 1));
  EXPECT_EQ(NodeOfWorker(1, 2, 2), 1u);
  EXPECT_EQ(NodeOfWorker(2, 3, 3), 2u);
  EXPECT_EQ(NodeOfWorker(0, 1, 2), std::nullopt) << "it uses both";
  EXPECT_EQ(NodeOfWorker(0, 3, 2), std::nullopt);
  EXPECT_EQ(NodeOfWorker(0, 4, 1), std::nullopt);
  EXPECT_EQ(NodeOfWorker(0, 4, 0), std::nullopt);
  EXPECT_EQ(NodeOfWorker(4, 4, 2), std::nullopt) << "none of them";
}

}  // namespace
}  // namespace switchyard::worker
