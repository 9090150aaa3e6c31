// The cluster file: the one of the manual is whole, a faulty one is refused with all its faults,
// and serve and plan take what it says unless a flag says otherwise.
#include "cli/cluster_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/file.h"
#include "cli/plan_command.h"
#include "cli/probe_command.h"
#include "cli/serve_cluster.h"
#include "cli/toml_table.h"

namespace switchyard::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The example of docs/cluster-file.md.
std::string Example() {
  const std::string page = *ReadFile("docs/cluster-file.md", 1 << 20);
  const size_t begin = page.find("```toml\n") + 8;
  return page.substr(begin, page.find("```", begin) - begin);
}

std::string With(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

class ClusterFileTest : public testing::Test {
 protected:
  ClusterFileTest() { std::filesystem::create_directories(folder_); }
  ~ClusterFileTest() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }
  // Of a file that is refused, without its path.
  std::string FaultsOf(const std::string& text) const {
    const auto file = ReadClusterFile(Write("faulty.toml", text));
    EXPECT_FALSE(file.ok());
    EXPECT_EQ(file.status().code(), absl::StatusCode::kInvalidArgument);
    std::string faults(Message(file.status()));
    const std::string path = folder_ + "/faulty.toml:";
    for (size_t at = 0; (at = faults.find(path)) != std::string::npos;)
      faults.erase(at, path.size());
    return faults;
  }

 private:
  const std::string folder_ = fmt::format("{}/cluster_file.{}", testing::TempDir(), getpid());
};

TEST_F(ClusterFileTest, TheExampleOfTheManualIsWhole) {
  const auto file = ReadClusterFile(Write("cluster.toml", Example()));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->model_path, "models/tiny-r1");
  EXPECT_EQ(file->model.num_heads(), 4);
  EXPECT_THAT(file->hosts, ElementsAre("localhost"));
  EXPECT_EQ(file->cluster.devices_per_host, 4);
  EXPECT_EQ(file->cluster.device.memory_bytes.value, double(int64_t{8} << 30));
  EXPECT_EQ(file->cluster.device.network_bytes_per_s.value, 25e9 / 8);
  EXPECT_EQ(file->cluster.device.network_bytes_per_s.source, core::FigureSource::kAssumed);
  EXPECT_EQ(file->data_parallel, 2);
  EXPECT_EQ(file->max_running, 16);
  EXPECT_EQ(file->grpc_port, 7070);
}

TEST_F(ClusterFileTest, WhatWasMeasuredStandsBeforeWhatWasTold) {
  const auto file =
      ReadClusterFile(Write("cluster.toml", Example() + "[measured]\nmemory_rate = \"17 GB/s\"\n"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->cluster.device.memory_bytes_per_s.value, 17e9);
  EXPECT_EQ(file->cluster.device.memory_bytes_per_s.source, core::FigureSource::kMeasured);
}

TEST_F(ClusterFileTest, EveryFaultComesInOneAnswerWithLineAndRemedy) {
  EXPECT_EQ(
      FaultsOf(R"(colour = "red"
[model]
path = "models/tiny-r1"
compute = "int4"
[device]
kind = "cpu"
memory = 80
memory_rate = "20 GB"
[[host]]
name = "a"
devices = 4
[[host]]
name = "a"
devices = 5
gpus = 2
[layout]
dp = 4
tp = 3
[limits]
context = 100000
max_running = 0
[security]
metrics_need_key = true
)"),
      "1: the file has no key colour; it knows device, host, layout, limits, measured, model, "
      "security, server; "
      "4: [model] compute = \"int4\": must be bf16, f32 or w8a8; "
      "7: [device] memory = 80: has no unit; write \"80 GiB\"; "
      "8: [device] memory_rate = '20 GB': must be a number above 0 and one of TB/s, GB/s, MB/s, "
      "Tb/s, Gb/s, Mb/s, such as \"50 GB/s\"; "
      "13: [[host]] name = \"a\": stands in line 10 already; remove one of the two; "
      "14: [[host]] devices = 5: the first host has 4; all must have as many; "
      "15: [[host]] has no key gpus; it knows devices, name; "
      "17: [layout] 4 x 3 has 12 ranks, the hosts have 8 devices; take a smaller layout or add "
      "hosts; "
      "18: [layout] layout 4x3: the tensor-parallel size must be one of 1, 2, 4 "
      "(num_attention_heads = 4, intermediate_size = 640 in even shards); layouts that work: "
      "12x1, 6x2, 3x4; "
      "20: [limits] context = 100000: the model has 4096 at most; "
      "21: [limits] max_running = 0: must be a whole number from 1 to 16384; "
      "23: [security] metrics_need_key needs api_keys; add api_keys = \"FILE\"");
}

TEST_F(ClusterFileTest, WhatWouldFailWhenItServesIsAFaultOfTheFile) {
  EXPECT_EQ(FaultsOf(R"([model]
path = "models/tiny-r1"
weights = "q4"
[device]
kind = "h100"
memory = "1e30 TiB"
memory_rate = "1e-300 GB/s"
[[host]]
name = "a b\n"
devices = 2
[layout]
dp = 1
tp = 2
redundant_experts = 33
[server]
port = 8000
grpc_port = 8000
)"),
            "3: [model] weights = \"q4\": GPUs take weights as they are stored; leave it out; "
            "6: [device] memory = '1e30 TiB': is 1.09951e+42 in bytes or FLOPs: must be from 1 to "
            "1e+18; "
            "7: [device] memory_rate = '1e-300 GB/s': is 1e-291 in bytes or FLOPs: must be from 1 "
            "to 1e+18; "
            "9: [[host]] name = \"a b\\n\": must be a name or an address, of letters, digits and "
            ". - _ :; "
            "14: [layout] redundant_experts = 33: the model has 32 experts in a layer; take no "
            "more; "
            "17: [server] grpc_port = 8000: is the port of the HTTP API; take another");
  EXPECT_THAT(
      FaultsOf(With(With(Example(), "\"bf16\" ", "\"f32\" "), "\"stored\"", "\"q8\"")),
      HasSubstr("[model] weights = \"q8\": needs compute = \"bf16\", the file has \"f32\""));
}

TEST_F(ClusterFileTest, WeightsHaveOneOfThreeForms) {
  EXPECT_THAT(FaultsOf("[model]\npath = \"models/tiny-r1\"\nweights = \"q5\"\n"),
              HasSubstr("3: [model] weights = \"q5\": must be stored, q8 or q4"));
}

TEST_F(ClusterFileTest, WhatIsMissingIsNamed) {
  const std::string faults = FaultsOf("[model]\n[device]\n[layout]\ndp = 2\n");
  EXPECT_THAT(faults, HasSubstr("1: [model] has no path; add path = \"FOLDER\" of the checkpoint"));
  EXPECT_THAT(faults, HasSubstr("2: [device] has no kind; add one of h100, h200, h800, b200, cpu"));
  EXPECT_THAT(faults, HasSubstr("4: [layout] has one of dp and tp; give both, or none"));
  EXPECT_THAT(faults, HasSubstr("the file has no [[host]]; add one for each host"));
  EXPECT_THAT(FaultsOf(With(Example(), "models/tiny-r1", "no/such/model")),
              HasSubstr("2: [model] path: no/such/model/config.json"));
}

TEST_F(ClusterFileTest, WhatIsNoTomlSaysWhere) {
  EXPECT_THAT(FaultsOf("[model]\npath = \"x\"\n[device\n"), HasSubstr("3: "));
  EXPECT_THAT(FaultsOf("[model]\npath = \"x\"\npath = \"y\"\n"), HasSubstr("3: "));
  EXPECT_THAT(FaultsOf("model = 3\nhost = \"a\"\n"),
              HasSubstr("2: host: must be tables, each begun by [[host]]"));
  EXPECT_EQ(ReadClusterFile("/no/such.toml").status().code(), absl::StatusCode::kNotFound);
}

TEST(TomlAmounts, HaveUnits) {
  EXPECT_EQ(*ParseAmount("1.5 GiB", TomlUnit::kBytes), 1.5 * (1 << 30));
  EXPECT_EQ(*ParseAmount("400Gb/s", TomlUnit::kBytesPerSecond), 50e9);
  EXPECT_EQ(*ParseAmount("989 TFLOP/s", TomlUnit::kFlops), 989e12);
  for (const char* text : {"", "GiB", "80", "-1 GiB", "0 GiB", "nan GiB", "inf GiB", "1 GiB/s",
                           "1e999 GiB", "1 Gib", "0x10 GiB"}) {
    EXPECT_FALSE(ParseAmount(text, TomlUnit::kBytes).ok()) << text;
  }
}

TEST_F(ClusterFileTest, ServeTakesItAndFlagsStandBeforeIt) {
  const auto file = ReadClusterFile(Write("cluster.toml", Example()));
  ASSERT_TRUE(file.ok()) << file.status();
  ServeOptions options;
  options.port = 9;
  const auto is_given = [](std::string_view flag) {
    return flag == "--port" || flag == "--max-waiting";
  };
  ASSERT_TRUE(ApplyClusterFile(*file, "", is_given, &options).ok());
  EXPECT_EQ(options.model_path, "models/tiny-r1");
  EXPECT_EQ(options.data_parallel, 2);
  EXPECT_EQ(options.tensor_parallel, 2);
  EXPECT_EQ(options.backend, "cpu");
  EXPECT_EQ(options.port, 9);
  EXPECT_EQ(options.grpc_port, 7070);
  EXPECT_EQ(options.memory_bytes,
            4 * ((int64_t{8} << 30) / 100 * 98 + (int64_t{8} << 30) % 100 * 98 / 100));
  EXPECT_THAT(options.coordinator_flags,
              ElementsAre("--compute", "bf16", "--weights", "stored", "--drafts", "auto",
                          "--max-batched-tokens", "256", "--micro-batch-tokens", "0",
                          "--max-running", "16", "--max-logprobs", "20", "--logprob-memory",
                          "1073741824", "--step-seconds", "60", "--drain-seconds", "30"));

  EXPECT_THAT(std::string(Message(ApplyClusterFile(*file, "elsewhere", is_given, &options))),
              HasSubstr("the cluster file has 1 host: say which one this is, by --this-host "
                        "localhost"));
}

// Of 3 x 2 ranks the first host has four and the coordinator, the second two, the third none.
TEST_F(ClusterFileTest, EachOfSeveralHostsServesItsRanks) {
  const auto host = [](const char* name) {
    return fmt::format("[[host]]\nname = \"{}\"\ndevices = 4\n", name);
  };
  const auto file = ReadClusterFile(Write(
      "three.toml",
      With(With(Example(), "[layout]", host("b") + host("c") + "[layout]"), "dp = 2", "dp = 3")));
  ASSERT_TRUE(file.ok()) << file.status();
  const auto none = [](std::string_view) { return false; };
  ServeOptions first, second, third;
  ASSERT_TRUE(ApplyClusterFile(*file, "localhost", none, &first).ok());
  EXPECT_EQ(first.coordinator, "");
  EXPECT_EQ(first.first_rank, 0);
  EXPECT_EQ(first.num_ranks, 4);
  EXPECT_THAT(first.worker_flags, ElementsAre("--host", "localhost"));
  EXPECT_THAT(first.coordinator_flags, testing::IsSupersetOf({"--grpc-host", "localhost"}));
  ASSERT_TRUE(ApplyClusterFile(*file, "b", none, &second).ok());
  EXPECT_EQ(second.coordinator, "localhost:7070");
  EXPECT_EQ(second.first_rank, 4);
  EXPECT_EQ(second.num_ranks, 2);
  EXPECT_THAT(second.worker_flags, ElementsAre("--host", "b", "--connect-seconds", "600"));
  EXPECT_EQ(second.memory_bytes, first.memory_bytes / 2);
  EXPECT_THAT(std::string(Message(ApplyClusterFile(*file, "c", none, &third))),
              HasSubstr("the 6 ranks of the layout are on the hosts before c"));
  EXPECT_THAT(std::string(Message(ApplyClusterFile(*file, "", none, &third))),
              HasSubstr("the cluster file has 3 hosts: say which one this is, by --this-host "
                        "localhost or --this-host b or --this-host c"));
}

TEST_F(ClusterFileTest, TheCoordinatorMayHaveAMachineOfItsOwn) {
  const std::string text = With(Example(), "port = 8000", "coordinator = \"front\"\nport = 8000");
  const auto file = ReadClusterFile(Write("apart.toml", text));
  ASSERT_TRUE(file.ok()) << file.status();
  const auto none = [](std::string_view) { return false; };
  ServeOptions front, back, nowhere;
  ASSERT_TRUE(ApplyClusterFile(*file, "front", none, &front).ok());
  EXPECT_EQ(front.coordinator, "");
  EXPECT_EQ(front.num_ranks, 0);
  EXPECT_THAT(front.coordinator_flags, testing::IsSupersetOf({"--grpc-host", "0.0.0.0"}));
  ASSERT_TRUE(ApplyClusterFile(*file, "localhost", none, &back).ok());
  EXPECT_EQ(back.coordinator, "front:7070");
  EXPECT_EQ(back.num_ranks, 4);
  EXPECT_THAT(std::string(Message(ApplyClusterFile(*file, "", none, &nowhere))),
              HasSubstr("by --this-host localhost or --this-host front"));
  EXPECT_THAT(FaultsOf(With(text, "\"front\"", "\"localhost\"")),
              HasSubstr("[server] coordinator = \"localhost\": is one of [[host]]; leave it out"));
}

TEST_F(ClusterFileTest, PlanTakesItAndSaysWhatAChangeDoes) {
  const std::string old_path = Write("old.toml", Example());
  std::ostringstream plan;
  ASSERT_TRUE(RunPlan({.cluster_file = old_path}, plan).ok());
  EXPECT_THAT(plan.str(), HasSubstr("2x2 on 1 host with 4 x cpu: rank 0 of 4"));
  EXPECT_THAT(plan.str(), HasSubstr("--max-batched-tokens 256 --max-running 16"));
  std::ostringstream other;
  ASSERT_TRUE(
      RunPlan({.cluster_file = old_path, .data_parallel = 4, .tensor_parallel = 1}, other).ok());
  EXPECT_THAT(other.str(), HasSubstr("4x1 on 1 host with 4 x cpu"));

  const auto diff = [&](const std::string& text) {
    std::ostringstream out;
    const absl::Status status =
        RunPlan({.cluster_file = old_path, .changed_file = Write("new.toml", text)}, out);
    EXPECT_TRUE(status.ok()) << status;
    return out.str();
  };
  EXPECT_EQ(diff(Example()), "nothing changes\n");
  const std::string load = diff(With(Example(), "running = 8 ", "running = 4 "));
  EXPECT_THAT(load, HasSubstr("[limits] running                  8 -> 4\n"));
  EXPECT_THAT(load, HasSubstr("nothing: plans alone are held against what changes"));
  const std::string layout = diff(With(Example(), "dp = 2\ntp = 2", "dp = 4\ntp = 1"));
  EXPECT_THAT(layout, HasSubstr("the coordinator and all 4 ranks; they read "));
  EXPECT_THAT(layout, HasSubstr("of it 0 B that their hosts have not read before"));
  const std::string host = diff(With(Example(), "localhost", "elsewhere"));
  EXPECT_THAT(host, HasSubstr("[[host]] name                     localhost -> elsewhere\n"));
  EXPECT_THAT(host, testing::Not(HasSubstr("of it 0 B")));
}

TEST_F(ClusterFileTest, NoChangeOfAKeyIsOverlooked) {
  const std::string text =
      With(Example(), "# packed_cache", "packed_cache") + "[measured]\ndisk_rate = \"1 GB/s\"\n";
  const std::string path = Write("old.toml", text);
  struct Change {
    const char *from, *to;
    bool restarts;
  };
  constexpr Change kChanges[] = {
      {"path = \"models/tiny-r1\"", "path = \"models/tiny-deepseek-v2-lite\"", true},
      {"compute = \"bf16\"", "compute = \"f32\"", true},
      {"weights = \"stored\"", "weights = \"q8\"", true},
      {"drafts = \"auto\"", "drafts = \"off\"", true},
      {"packed_cache = \"/var/lib/switchyard\"", "packed_cache = \"/var/cache\"", true},
      {"kind = \"cpu\"", "kind = \"h100\"", true},
      {"memory = \"8 GiB\"", "memory = \"9 GiB\"", true},
      {"memory_rate = \"20 GB/s\"", "memory_rate = \"21 GB/s\"", false},
      {"bf16 = \"300 GFLOP/s\"", "bf16 = \"301 GFLOP/s\"", false},
      {"link_rate = \"10 GB/s\"", "link_rate = \"11 GB/s\"", false},
      {"network_rate = \"25 Gb/s\"", "network_rate = \"26 Gb/s\"", false},
      {"disk_rate = \"1 GB/s\"", "disk_rate = \"2 GB/s\"", false},
      {"name = \"localhost\"", "name = \"elsewhere\"", true},
      {"devices = 4", "devices = 5", true},
      {"dp = 2", "dp = 1", true},
      {"tp = 2", "tp = 1", true},
      {"context = 2048", "context = 2047", false},
      {"running = 8 ", "running = 7 ", false},
      {"max_batched_tokens = 256", "max_batched_tokens = 255", true},
      {"micro_batch_tokens = 0", "micro_batch_tokens = 128", true},
      {"max_running = 16", "max_running = 15", true},
      {"max_waiting = 64", "max_waiting = 63", true},
      {"max_logprobs = 20", "max_logprobs = -1", true},
      {"logprob_memory = \"1 GiB\"", "logprob_memory = \"2 GiB\"", true},
      {"step_seconds = 60", "step_seconds = 61", true},
      {"drain_seconds = 30", "drain_seconds = 31", true},
      {"host = \"127.0.0.1\"", "host = \"0.0.0.0\"", true},
      {"port = 8000", "port = 8001", true},
      {"grpc_port = 7070", "grpc_port = 7071", true},
      {"# api_keys", "api_keys", true},
      {"# cors_origins", "cors_origins", true},
  };
  for (const Change& change : kChanges) {
    std::ostringstream out;
    const absl::Status status =
        RunPlan({.cluster_file = path,
                 .changed_file = Write("new.toml", With(text, change.from, change.to))},
                out);
    EXPECT_TRUE(status.ok()) << change.from << status;
    EXPECT_THAT(out.str(), HasSubstr("settings\n")) << change.from;
    const char* const starts =
        change.restarts ? "starts again\n  the coordinator and all " : "starts again\n  nothing: ";
    EXPECT_THAT(out.str(), HasSubstr(starts)) << change.from;
  }
}

TEST_F(ClusterFileTest, WhatIsProbedIsWrittenAndReadAgain) {
  const std::string path =
      Write("cluster.toml", "# ours\n" + Example() + "[measured]\nbf16 = \"9 TFLOP/s\"\n");
  ProbeOptions small{.weight_bytes = 1 << 20, .rows = 8, .exchanged_bytes = 1 << 16, .trials = 1};
  std::ostringstream out;
  const absl::Status status = RunProbe({.cluster_file = path, .sizes = small}, out);
  ASSERT_TRUE(status.ok()) << status;
  const auto file = ReadClusterFile(path);
  ASSERT_TRUE(file.ok()) << file.status();
  const core::DeviceFigures& device = file->cluster.device;
  for (const core::Figure& figure : {device.memory_bytes_per_s, device.bf16_flops, device.fp8_flops,
                                     device.link_bytes_per_s, file->cluster.disk_bytes_per_s}) {
    EXPECT_EQ(figure.source, core::FigureSource::kMeasured);
    EXPECT_GT(figure.value, 0);
  }
  EXPECT_NE(device.bf16_flops.value, 9e12) << "what was there is replaced";
  EXPECT_EQ(device.network_bytes_per_s.source, core::FigureSource::kAssumed);
  EXPECT_TRUE(ReadFile(path, 1 << 20)->starts_with("# ours\n[model]"));
}

// Two hosts on one machine: a device gets its part of what its host's network carries, and keeps
// that figure when only the rest is measured again.
TEST_F(ClusterFileTest, TheNetworkIsProbedByTwo) {
  const std::string path = Write("cluster.toml", Example());
  auto listener = NetworkProbeListener::Open("127.0.0.1:0");
  ASSERT_TRUE(listener.ok()) << listener.status();
  absl::StatusOr<double> answered = 0.0;
  std::thread other(
      [&] { answered = listener->Answer(std::chrono::seconds(60), std::chrono::seconds(60)); });
  ProbeCommandOptions options{
      .cluster_file = path,
      .peer = fmt::format("localhost:{}", listener->port()),
      .sizes = {.weight_bytes = 1 << 20, .rows = 8, .exchanged_bytes = 1 << 16, .trials = 1},
      .network = {.streams = 3, .bytes_per_stream = 3 << 20}};
  std::ostringstream out;
  const absl::Status status = RunProbe(options, out);
  other.join();
  ASSERT_TRUE(status.ok()) << status;
  ASSERT_TRUE(answered.ok()) << answered.status();
  EXPECT_GT(*answered, 0);
  const auto first = ReadClusterFile(path);
  ASSERT_TRUE(first.ok()) << first.status();
  const core::Figure measured = first->cluster.device.network_bytes_per_s;
  EXPECT_EQ(measured.source, core::FigureSource::kMeasured);
  EXPECT_GT(measured.value, 0);
  options.peer.clear();
  ASSERT_TRUE(RunProbe(options, out).ok());
  EXPECT_EQ(ReadClusterFile(path)->cluster.device.network_bytes_per_s.value, measured.value);
}

TEST(ProbeNetwork, SaysWhatIsWrongOnBothSides) {
  EXPECT_EQ(ProbeNetwork("nowhere", {}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ProbeNetwork("localhost:70000", {}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ProbeNetwork("localhost:1", {.streams = 65}).status().code(),
            absl::StatusCode::kInvalidArgument);
  auto listener = NetworkProbeListener::Open("127.0.0.1:0");
  ASSERT_TRUE(listener.ok()) << listener.status();
  const int port = listener->port();
  EXPECT_EQ(NetworkProbeListener::Open(fmt::format("127.0.0.1:{}", port)).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(listener->Answer(std::chrono::seconds(0), std::chrono::seconds(1)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  // Somebody who is no probe.
  const int stranger = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(static_cast<uint16_t>(port))};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(connect(stranger, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  const std::string request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
  ASSERT_EQ(send(stranger, request.data(), request.size(), 0), ssize_t(request.size()));
  EXPECT_EQ(listener->Answer(std::chrono::seconds(60), std::chrono::seconds(60)).status().code(),
            absl::StatusCode::kInvalidArgument);
  close(stranger);
  { const auto gone = std::move(*listener); }
  EXPECT_EQ(ProbeNetwork(fmt::format("127.0.0.1:{}", port), {}).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST(WithMeasured, ReplacesItsTableAlone) {
  const ProbedRates rates{
      .memory_bytes = 2e9, .bf16_flops = 3e12, .fp8_flops = 4e12, .disk_bytes = 1e9};
  const std::string table =
      "[measured]  # by switchyard probe\nmemory_rate = \"2.000 GB/s\"\nbf16 = \"3.0000 TFLOP/s\"\n"
      "fp8 = \"4.0000 TFLOP/s\"\ndisk_rate = \"1.000 GB/s\"\n";
  EXPECT_EQ(WithMeasured("[a]\nb = 1 # c\n", rates), "[a]\nb = 1 # c\n\n" + table);
  EXPECT_EQ(WithMeasured("[a]\n[measured]\nbf16 = \"1 TFLOP/s\"\n\n[d]\ne = 2\n", rates),
            "[a]\n[d]\ne = 2\n\n" + table);
}

}  // namespace
}  // namespace switchyard::cli
