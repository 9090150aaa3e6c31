// `switchyard serve` from start to end: right answers in every layout, orderly leave-taking, and
// one clear line for what cannot be started.
#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "base/sched_attributes.h"
#include "proto/inference.grpc.pb.h"
#include "tests/integration/cluster_fixture.h"
#include "tests/integration/golden_prompts.h"
#include "tests/integration/stream_set.h"
#include "tests/testing/gguf_model.h"
#include "tests/testing/http_client.h"
#include "tests/worker/weights/checkpoint_files.h"

namespace switchyard::testing {
namespace {

using std::chrono::seconds;

constexpr int kNumGoldens = 12;

int NumLinesWith(const std::string& log, const std::string& words) {
  std::istringstream lines(log);
  int count = 0;
  for (std::string line; std::getline(lines, line);) count += line.find(words) != line.npos;
  return count;
}

// None where the system knows no slices of a thread's own.
std::set<pid_t> ThreadsOfShortSlices(pid_t process) {
  std::set<pid_t> threads;
  for (const auto& task :
       std::filesystem::directory_iterator(fmt::format("/proc/{}/task", process))) {
    const pid_t thread = std::atoi(task.path().filename().c_str());
    SchedAttributes attributes;
    if (GetSchedAttributes(&attributes, thread) && attributes.runtime == 100'000) {
      threads.insert(thread);
    }
  }
  return threads;
}

class ServeTest : public ClusterTest {
 protected:
  // Starts what must be refused: the exit code, one line in the log with `words`, nothing left.
  void ExpectRefused(const ClusterOptions& options, int exit_code, const std::string& words) {
    Cluster& cluster = Start(options);
    EXPECT_EQ(cluster.WaitForExit(), exit_code) << cluster.Log();
    EXPECT_EQ(NumLinesWith(cluster.Log(), words), 1) << "told once\n" << cluster.Log();
    EXPECT_TRUE(cluster.WaitUntilNothingIsLeft()) << cluster.Log();
  }
};

struct LayoutCase {
  int data_parallel;
  int tensor_parallel;
};

class LayoutTest : public ClusterTest, public ::testing::WithParamInterface<LayoutCase> {};

TEST_P(LayoutTest, GreedyTokensAreTheRecordedOnes) {
  const Cluster& cluster = StartServing(
      {.data_parallel = GetParam().data_parallel, .tensor_parallel = GetParam().tensor_parallel});
  const auto stub = v1::Inference::NewStub(
      grpc::CreateChannel(cluster.grpc_address(), grpc::InsecureChannelCredentials()));
  const std::vector<GoldenPrompt> all = ReadGoldenPrompts();
  std::vector<GoldenPrompt> prompts;
  for (size_t i = 0; i < kNumGoldens; ++i) prompts.push_back(all.at(5 * i));
  ExpectGreedyTokens(*stub, prompts, seconds(30));
}

INSTANTIATE_TEST_SUITE_P(Layouts, LayoutTest,
                         ::testing::Values(LayoutCase{1, 1}, LayoutCase{1, 2}, LayoutCase{2, 2}),
                         [](const auto& info) {
                           return "Dp" + std::to_string(info.param.data_parallel) + "Tp" +
                                  std::to_string(info.param.tensor_parallel);
                         });

// Models of keys and values: split over the ranks, shared by them, and drafted for by what was
// said.
struct FamilyCase {
  const char* model;
  int data_parallel;
  int tensor_parallel;
  const char* drafts;
  const char* compute = "bf16";  // f32 where roundings of BF16 change recorded answers
};

class FamilyTest : public ClusterTest, public ::testing::WithParamInterface<FamilyCase> {};

TEST_P(FamilyTest, AnswersAsRecorded) {
  const FamilyCase& param = GetParam();
  const Cluster& cluster =
      StartServing({.model_path = std::string("models/") + param.model,
                    .data_parallel = param.data_parallel,
                    .tensor_parallel = param.tensor_parallel,
                    .more_flags = {"--drafts", param.drafts, "--compute", param.compute}});
  ASSERT_FALSE(HasFailure());
  const auto stub = v1::Inference::NewStub(
      grpc::CreateChannel(cluster.grpc_address(), grpc::InsecureChannelCredentials()));
  ExpectGreedyTokens(*stub, ReadGoldenPrompts(param.model), seconds(60));
}

// The first recorded conversation that asks for an answer becomes the recorded prompt.
TEST_P(FamilyTest, ChatsWithItsTemplate) {
  const std::string folder = std::string("models/") + GetParam().model;
  std::ifstream file(folder + "/goldens/template_cases.jsonl");
  Json golden = Json::object();
  for (std::string line; !golden.value("add_generation_prompt", false);) {
    ASSERT_TRUE(std::getline(file, line));
    golden = Json::parse(line);
  }
  const Cluster& cluster = StartServing({.model_path = folder});
  HttpClient client(cluster.http_port());
  const Json body = {{"messages", golden["messages"]},
                     {"chat_template_kwargs", golden["variables"]},
                     {"temperature", 0},
                     {"max_tokens", 8}};
  client.Send(Post("/v1/chat/completions", body.dump()));
  const std::optional<HttpAnswer> answer = client.ReadAnswer();
  ASSERT_TRUE(answer.has_value());
  ASSERT_EQ(answer->status, 200) << answer->body;
  EXPECT_EQ(Json::parse(answer->body)["usage"]["prompt_tokens"], golden["ids"].size());
}

INSTANTIATE_TEST_SUITE_P(Models, FamilyTest,
                         ::testing::Values(FamilyCase{"tiny-qwen2", 1, 2, "off"},
                                           FamilyCase{"tiny-qwen2", 2, 2, "ngram"},
                                           FamilyCase{"tiny-llama", 1, 4, "ngram"},
                                           FamilyCase{"tiny-llama", 2, 1, "off"},
                                           FamilyCase{"tiny-qwen3-moe", 2, 2, "ngram"},
                                           FamilyCase{"tiny-deepseek-v2-lite", 2, 2, "off"},
                                           FamilyCase{"tiny-gemma3", 1, 2, "ngram"},
                                           FamilyCase{"tiny-gpt-oss", 2, 2, "ngram", "f32"}),
                         [](const auto& info) {
                           std::string name = fmt::format(
                               "{}_Dp{}Tp{}{}", info.param.model, info.param.data_parallel,
                               info.param.tensor_parallel, info.param.drafts);
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST_F(ServeTest, ThoughtsInAChannelAreEnded) {
  const Cluster& cluster = StartServing({.model_path = "models/tiny-gpt-oss"});
  ASSERT_FALSE(HasFailure());
  const auto tokens = [&](const Json& more) {
    HttpClient client(cluster.http_port());
    Json body = {{"prompt", "<|start|>assistant<|channel|>analysis<|message|>Hm"},
                 {"temperature", 0},
                 {"max_tokens", 8},
                 {"logprobs", 0}};
    body.update(more);
    client.Send(Post("/v1/completions", body.dump()));
    const std::optional<HttpAnswer> answer = client.ReadAnswer();
    return answer ? Json::parse(answer->body)["choices"][0]["logprobs"]["tokens"] : Json();
  };
  const Json free = tokens(Json::object()), limited = tokens({{"max_thinking_tokens", 3}});
  ASSERT_EQ(free.size(), 8u);
  ASSERT_EQ(limited.size(), 8u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limited[i], free[i]);
  EXPECT_EQ(limited[3], "<|end|>");
  EXPECT_NE(free[3], "<|end|>");
}

TEST_F(ServeTest, AGgufFileIsServedWithItsTokenizerAndTemplate) {
  const worker::TempFolder files;
  const std::string folder = "models/tiny-qwen2", path = files / "tiny.gguf";
  WriteGgufModel(folder, path);
  const Cluster& cluster = StartServing({.model_path = path, .tensor_parallel = 2});
  ASSERT_FALSE(HasFailure());
  const auto stub = v1::Inference::NewStub(
      grpc::CreateChannel(cluster.grpc_address(), grpc::InsecureChannelCredentials()));
  ExpectGreedyTokens(*stub, ReadGoldenPrompts("tiny-qwen2"), seconds(60));

  HttpClient client(cluster.http_port());
  client.Send(Get("/v1/models"));
  const std::optional<HttpAnswer> models = client.ReadAnswer();
  ASSERT_TRUE(models.has_value());
  EXPECT_EQ(Json::parse(models->body)["data"][0]["id"], "tiny");
  EXPECT_EQ(Json::parse(models->body)["data"][0]["weights"], "bf16");
  const Json body = {{"messages", {{{"role", "user"}, {"content", "Hello"}}}},
                     {"temperature", 0},
                     {"max_tokens", 8}};
  client.Send(Post("/v1/chat/completions", body.dump()));
  const std::optional<HttpAnswer> answer = client.ReadAnswer();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 200) << answer->body;
}

TEST_F(ServeTest, OddHeadsAreRefusedWithTheSizesThatWork) {
  ExpectRefused({.model_path = "models/tiny-llama", .tensor_parallel = 3}, 2,
                "must be one of 1, 2, 4, 8");
}

TEST_F(ServeTest, WeightsMayBeKeptInFourBits) {
  const Cluster& cluster =
      StartServing({.model_path = "models/tiny-qwen2-gptq", .more_flags = {"--weights", "q4"}});
  HttpClient client(cluster.http_port());
  client.Send(Get("/v1/models"));
  const std::optional<HttpAnswer> models = client.ReadAnswer();
  ASSERT_TRUE(models.has_value());
  EXPECT_EQ(Json::parse(models->body)["data"][0]["weights"], "q4");
  const Json body = {
      {"prompt", {5, 6, 7}}, {"temperature", 0}, {"max_tokens", 4}, {"ignore_eos", true}};
  client.Send(Post("/v1/completions", body.dump()));
  const std::optional<HttpAnswer> answer = client.ReadAnswer();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(Json::parse(answer->body)["usage"]["completion_tokens"], 4) << answer->body;
}

TEST_F(ServeTest, WeightsInFewerBitsNeedTheArithmeticThatTakesThem) {
  ExpectRefused({.more_flags = {"--weights", "q4", "--compute", "f32"}}, 2,
                "weights = q4: needs compute = bf16");
}

TEST_F(ServeTest, ChatAnswersWholeAndInAStream) {
  const Cluster& cluster = StartServing();
  int num_asked = 0;
  for (const GoldenPrompt& prompt : ReadGoldenPrompts()) {
    if (prompt.messages.is_null() || prompt.finish_reason != "stop" || ++num_asked > 4) continue;
    for (const bool stream : {false, true}) {
      const Json body = {{"messages", prompt.messages}, {"temperature", 0}, {"stream", stream}};
      HttpClient client(cluster.http_port());
      client.Send(Post("/v1/chat/completions", body.dump()));
      const std::optional<HttpAnswer> answer = client.ReadAnswer();
      ASSERT_TRUE(answer.has_value());
      ASSERT_EQ(answer->status, 200) << answer->body;
      std::string text;
      if (stream) {
        for (const std::string& event : SseData(answer->body)) {
          if (event == "[DONE]") continue;
          text += Json::parse(event)["choices"][0]["delta"].value("content", "");
        }
      } else {
        const Json json = Json::parse(answer->body);
        text = json["choices"][0]["message"]["content"];
        EXPECT_EQ(json["usage"]["prompt_tokens"], prompt.prompt_tokens.size()) << prompt.id;
        EXPECT_EQ(json["usage"]["completion_tokens"], prompt.greedy_tokens.size()) << prompt.id;
      }
      EXPECT_EQ(text, prompt.text) << prompt.id;
    }
  }
  EXPECT_GE(num_asked, 4);
}

TEST_F(ServeTest, InterruptDrainsAndASecondOneEndsAtOnce) {
  Cluster& cluster = StartServing({.tensor_parallel = 2});
  const GoldenPrompt prompt = ReadGoldenPrompts()[0];
  StreamSet finite(cluster.http_port()), endless(cluster.http_port());
  finite.Open(PostAndClose(
      "/v1/completions",
      CompletionBody(prompt, {{"stream", true}, {"ignore_eos", true}, {"max_tokens", 200}})));
  endless.Open(PostAndClose(
      "/v1/completions",
      CompletionBody(prompt, {{"stream", true}, {"ignore_eos", true}, {"max_tokens", 4000}})));
  ASSERT_TRUE(finite.ReadUntilAllFlow(seconds(10)));
  ASSERT_TRUE(endless.ReadUntilAllFlow(seconds(10)));

  cluster.Signal(SIGINT);
  ASSERT_TRUE(finite.ReadUntilAllEnd(seconds(20))) << cluster.Log();
  EXPECT_TRUE(finite.streams()[0].IsDone());
  EXPECT_FALSE(finite.streams()[0].HasError());

  cluster.Signal(SIGINT);
  ASSERT_TRUE(endless.ReadUntilAllEnd(seconds(5))) << cluster.Log();
  EXPECT_TRUE(endless.streams()[0].HasError());
  EXPECT_EQ(cluster.WaitForExit(), 0) << cluster.Log();
  EXPECT_TRUE(cluster.WaitUntilNothingIsLeft()) << cluster.Log();
  EXPECT_TRUE(PortBecomesFree(cluster.http_port()));
}

TEST_F(ServeTest, InterruptWithoutRequestsEndsAtOnce) {
  Cluster& cluster = StartServing();
  cluster.Signal(SIGINT);
  EXPECT_EQ(cluster.WaitForExit(seconds(5)), 0) << cluster.Log();
}

TEST_F(ServeTest, PortInUseIsRefused) {
  const Cluster& first = StartServing();
  ExpectRefused({.port = first.http_port()}, 5, "port " + std::to_string(first.http_port()));
}

TEST_F(ServeTest, MissingModelIsRefused) {
  ExpectRefused({.model_path = "models/no-such-model"}, 3, "models/no-such-model");
}

TEST_F(ServeTest, MemoryForPromptsOutsideItsRangeIsRefused) {
  for (const char* memory : {"-1", "0.5", "1e3", "900EiB", "99999999TiB", "much"}) {
    ExpectRefused({.more_flags = {fmt::format("--prompt-memory={}", memory)}}, 2,
                  "--prompt-memory");
  }
  // More than the model's context can use is the cache's; the same answer with none of it.
  for (const char* memory : {"0", "64KiB", "1GiB"}) {
    const Cluster& cluster = StartServing({.more_flags = {"--prompt-memory", memory}});
    const auto stub = v1::Inference::NewStub(
        grpc::CreateChannel(cluster.grpc_address(), grpc::InsecureChannelCredentials()));
    ExpectGreedyTokens(*stub, {ReadGoldenPrompts().at(5)}, seconds(30));
  }
}

TEST_F(ServeTest, WithoutAGpuCudaIsRefusedInOneLine) {
  ExpectRefused(
      {.more_flags = {"--backend", "cuda"}, .launcher = {"/usr/bin/env", "CUDA_VISIBLE_DEVICES="}},
      3, "worker 0 ended while the cluster started: no CUDA ");
}

TEST_F(ServeTest, WithLogsInFilesTheReasonIsToldAllTheSame) {
  std::string folder = std::filesystem::temp_directory_path() / "switchyard-logs-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  ExpectRefused({.model_path = "models/no-such-model", .more_flags = {"--log-dir", folder}}, 3,
                "models/no-such-model/config.json: cannot open");
  std::filesystem::remove_all(folder);
}

TEST_F(ServeTest, AProxyForTheWebIsNotForTheCluster) {
  setenv("grpc_proxy", "http://127.0.0.1:1", 1);
  setenv("no_grpc_proxy", "", 1);
  Cluster& cluster = Start({.tensor_parallel = 2});
  unsetenv("grpc_proxy");
  unsetenv("no_grpc_proxy");
  EXPECT_TRUE(cluster.WaitUntilServing()) << cluster.Log();
}

// Both on this machine, which has two names. The second starts before the coordinator is there,
// and ends when the cluster does.
TEST_F(ServeTest, TheHostsOfAClusterFileServeOneModelTogether) {
  std::string folder = std::filesystem::temp_directory_path() / "switchyard-hosts-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::string path = folder + "/cluster.toml";
  std::ofstream(path) << "[model]\npath = \"models/tiny-r1\"\n[device]\nkind = \"cpu\"\n"
                         "memory = \"256 MiB\"\n"
                         "[[host]]\nname = \"127.0.0.1\"\ndevices = 1\n"
                         "[[host]]\nname = \"localhost\"\ndevices = 1\n";
  ClusterOptions options{.tensor_parallel = 2, .grpc_port = FreePort()};
  options.more_flags = {"--cluster", path, "--this-host", "localhost"};
  Cluster& second = Start(options);
  options.more_flags.back() = "127.0.0.1";
  Cluster& first = StartServing(options);
  const auto status = first.Status();
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->workers_size(), 2);
  EXPECT_NE(first.WorkerPid(0), 0);
  EXPECT_EQ(first.WorkerPid(1), 0);
  EXPECT_NE(second.WorkerPid(1), 0);
  EXPECT_EQ(second.CoordinatorPid(), 0);
  const auto stub = v1::Inference::NewStub(
      grpc::CreateChannel(first.grpc_address(), grpc::InsecureChannelCredentials()));
  ExpectGreedyTokens(*stub, {ReadGoldenPrompts().front()}, seconds(30));
  first.Signal(SIGINT);
  EXPECT_EQ(first.WaitForExit(), 0) << first.Log();
  EXPECT_EQ(second.WaitForExit(), 0) << second.Log();
  std::filesystem::remove_all(folder);
}

// As in Kubernetes: the coordinator on a machine of its own, which ends all when it is told to.
TEST_F(ServeTest, ACoordinatorAloneServesByTheWorkersOfItsHosts) {
  std::string folder = std::filesystem::temp_directory_path() / "switchyard-hosts-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::string path = folder + "/cluster.toml";
  std::ofstream(path) << "[model]\npath = \"models/tiny-r1\"\n[device]\nkind = \"cpu\"\n"
                         "memory = \"256 MiB\"\n[[host]]\nname = \"127.0.0.1\"\ndevices = 2\n"
                         "[server]\ncoordinator = \"localhost\"\n";
  ClusterOptions options{.tensor_parallel = 2, .grpc_port = FreePort()};
  options.more_flags = {"--cluster", path, "--this-host", "127.0.0.1"};
  Cluster& workers = Start(options);
  options.more_flags.back() = "localhost";
  Cluster& coordinator = StartServing(options);
  EXPECT_EQ(coordinator.WorkerPid(0), 0);
  EXPECT_EQ(workers.CoordinatorPid(), 0);
  coordinator.Signal(SIGINT);
  EXPECT_EQ(coordinator.WaitForExit(), 0) << coordinator.Log();
  EXPECT_EQ(workers.WaitForExit(), 0) << workers.Log();
  std::filesystem::remove_all(folder);
}

TEST_F(ServeTest, TooManyRanksAreRefusedAtOnce) {
  ExpectRefused({.data_parallel = 64}, 2, "64");
  ExpectRefused({.tensor_parallel = 64}, 2, "64");
}

// A copy of the bundled model that may be damaged.
// Of one host: what sends tokens is not kept waiting by what computes.
TEST_F(ServeTest, ThreadsThatSendHaveShortSlicesAndThoseThatComputeHaveNot) {
  SchedAttributes own;
  ASSERT_TRUE(GetSchedAttributes(&own));
  const bool has_slices = own.runtime > 0;
  const Cluster& cluster = StartServing({.tensor_parallel = 1});
  const pid_t coordinator = cluster.CoordinatorPid();
  const pid_t worker = cluster.WorkerPid(0);
  EXPECT_EQ(ThreadsOfShortSlices(coordinator).count(coordinator), has_slices ? 1U : 0U);
  const std::set<pid_t> of_worker = ThreadsOfShortSlices(worker);
  EXPECT_EQ(of_worker.count(worker), 0U) << "its main thread computes";
  EXPECT_EQ(of_worker.size() >= 2, has_slices) << "one reads what comes, one writes";
}

class DamagedModelTest : public ServeTest {
 protected:
  void SetUp() override {
    std::string folder = std::filesystem::temp_directory_path() / "switchyard-model-XXXXXX";
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    for (const auto& entry : std::filesystem::directory_iterator("models/tiny-r1")) {
      if (entry.is_regular_file()) {
        std::filesystem::copy_file(entry, folder_ / entry.path().filename());
      }
    }
  }
  void TearDown() override {
    ServeTest::TearDown();
    std::filesystem::remove_all(folder_);
  }

  std::filesystem::path folder_;
};

TEST_F(DamagedModelTest, TruncatedWeightsAreRefusedByName) {
  const std::string name = "model-00002-of-000004.safetensors";
  std::filesystem::resize_file(folder_ / name, std::filesystem::file_size(folder_ / name) / 2);
  ExpectRefused({.model_path = folder_, .tensor_parallel = 2}, 2, name);
}

TEST_F(DamagedModelTest, UnknownModelTypeIsRefused) {
  const auto path = folder_ / "config.json";
  std::ifstream in(path);
  Json config = Json::parse(in);
  config["model_type"] = "mamba_9";
  std::ofstream(path) << config.dump();
  ExpectRefused({.model_path = folder_}, 4, "mamba_9");
}

}  // namespace
}  // namespace switchyard::testing
