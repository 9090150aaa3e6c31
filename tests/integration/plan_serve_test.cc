// What `switchyard plan` says of a cluster file is what workers have taken when `switchyard serve`
// has started that file: on CPUs, and on the emulated CUDA backend.
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/json.h"
#include "cli/plan_command.h"
#include "tests/integration/cluster_fixture.h"

namespace switchyard::testing {
namespace {

class PlanServeTest : public ClusterTest {
 protected:
  PlanServeTest() { std::filesystem::create_directories(folder_); }
  ~PlanServeTest() override { std::filesystem::remove_all(folder_); }

  // `device`: the lines of that table.
  void CompareBoth(const std::string& device, const std::string& compute, int dp, int tp,
                   ClusterOptions options) {
    const std::string path = folder_ + "/cluster.toml";
    std::ofstream(path) << fmt::format(
        "[model]\npath = \"models/tiny-r1\"\ncompute = \"{}\"\n[device]\n{}\n"
        "[[host]]\nname = \"here\"\ndevices = 4\n[layout]\ndp = {}\ntp = {}\n"
        "[limits]\ncontext = 2000\nmax_batched_tokens = 64\nmax_running = 8\n",
        compute, device, dp, tp);
    std::ostringstream out;
    const absl::Status planned = cli::RunPlan({.cluster_file = path, .json = true}, out);
    ASSERT_TRUE(planned.ok()) << planned;
    const Json plan = (*ParseJson(out.str()))["layouts"][0];
    double bytes = plan["kv"]["bytes"].get<double>() + plan["kv"]["expanded_bytes"].get<double>();
    for (const char* kind : {"embedding", "head", "attention", "absorbed", "dense_mlp", "gate",
                             "shared_experts", "routed_experts", "mtp_projection", "norms",
                             "rope_table", "arena", "gather", "exchange"}) {
      bytes += plan["memory"][kind]["bytes"].get<double>();
    }

    options.data_parallel = dp;
    options.tensor_parallel = tp;
    options.more_flags = {"--cluster", path};
    const Cluster& cluster = StartServing(options);
    const auto status = cluster.Status();
    ASSERT_TRUE(status.has_value());
    ASSERT_EQ(status->workers_size(), dp * tp);
    for (const v1::WorkerStatus& worker : status->workers()) {
      EXPECT_NEAR(double(worker.memory_bytes()), bytes, bytes / 100);
      EXPECT_EQ(worker.kv_blocks_total(), plan["kv"]["blocks"]);
    }
  }

 private:
  const std::string folder_ = fmt::format("{}/plan_serve.{}", ::testing::TempDir(), getpid());
};

TEST_F(PlanServeTest, WorkersOnCpusTakeWhatWasPlanned) {
  CompareBoth("kind = \"cpu\"\nmemory = \"64 MiB\"", "bf16", 2, 2, {});
}

TEST_F(PlanServeTest, QuantisedToo) {
  CompareBoth("kind = \"cpu\"\nmemory = \"64 MiB\"", "w8a8", 1, 2, {});
}

#ifdef SWITCHYARD_EMULATE
TEST_F(PlanServeTest, WorkersOnTheEmulatedGpuTakeWhatWasPlanned) {
  CompareBoth("kind = \"h100\"\nmemory = \"3 GiB\"", "w8a8", 2, 1,
              {.launcher = {SWITCHYARD_EMULATE, "--devices", "2", "--memory", "3G", "--threads",
                            "1", "--no-memcheck"},
               .start_deadline = std::chrono::seconds(120)});
}
#endif

}  // namespace
}  // namespace switchyard::testing
