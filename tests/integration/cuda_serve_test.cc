// The bundled model on CUDA workers over NCCL: the same binaries as on GPUs, run on the emulator.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "proto/inference.grpc.pb.h"
#include "tests/integration/cluster_fixture.h"
#include "tests/integration/golden_prompts.h"
#include "tests/integration/stream_set.h"
#include "tests/testing/http_client.h"

namespace switchyard::testing {
namespace {

using std::chrono::seconds;

constexpr size_t kNumGoldens = 8;

// The shortest recorded prompts with answers of some length: the emulator computes some thousand
// times slower than a GPU.
std::vector<GoldenPrompt> ShortPrompts(const std::string& model = "tiny-r1") {
  std::vector<GoldenPrompt> prompts = ReadGoldenPrompts(model);
  std::erase_if(prompts,
                [](const GoldenPrompt& prompt) { return prompt.greedy_tokens.size() < 4; });
  std::stable_sort(prompts.begin(), prompts.end(), [](const auto& a, const auto& b) {
    return a.prompt_tokens.size() + 4 * a.greedy_tokens.size() <
           b.prompt_tokens.size() + 4 * b.greedy_tokens.size();
  });
  prompts.resize(kNumGoldens);
  return prompts;
}

ClusterOptions OnCuda(int data_parallel, int tensor_parallel, const std::string& compute) {
  return {
      .data_parallel = data_parallel,
      .tensor_parallel = tensor_parallel,
      .more_flags = {"--backend", "cuda", "--compute", compute, "--max-batched-tokens", "64",
                     "--max-running", "8", "--kv-blocks", "128", "--prompt-memory", "8MiB",
                     "--step-seconds", "120"},
      .launcher = {SWITCHYARD_EMULATE, "--devices", std::to_string(data_parallel * tensor_parallel),
                   "--memory", "1G", "--threads", "1", "--no-memcheck"},
      .start_deadline = seconds(120)};
}

struct CudaCase {
  int data_parallel;
  int tensor_parallel;
  const char* compute;
  const char* model = "tiny-r1";
};

class CudaServeTest : public ClusterTest, public ::testing::WithParamInterface<CudaCase> {};

TEST_P(CudaServeTest, GreedyTokensAreTheRecordedOnes) {
  const CudaCase& param = GetParam();
  ClusterOptions options = OnCuda(param.data_parallel, param.tensor_parallel, param.compute);
  options.model_path = std::string("models/") + param.model;
  const Cluster& cluster = StartServing(options);
  ASSERT_FALSE(HasFailure());
  const auto stub = v1::Inference::NewStub(
      grpc::CreateChannel(cluster.grpc_address(), grpc::InsecureChannelCredentials()));
  const std::vector<GoldenPrompt> prompts = ShortPrompts(param.model);
  ExpectGreedyTokens(*stub, prompts, seconds(240));
  // Alone and without drafts one step is like the other: from the third on they are replayed.
  const GoldenPrompt& longest = *std::max_element(
      prompts.begin(), prompts.end(), [](const GoldenPrompt& a, const GoldenPrompt& b) {
        return a.greedy_tokens.size() < b.greedy_tokens.size();
      });
  EXPECT_EQ(GreedyTokens(*stub, longest, seconds(240), /*drafts=*/false), longest.greedy_tokens);
  EXPECT_THAT(cluster.Log(), ::testing::HasSubstr("recorded as a CUDA graph"));
}

INSTANTIATE_TEST_SUITE_P(Layouts, CudaServeTest,
                         ::testing::Values(CudaCase{2, 2, "w8a8"}, CudaCase{2, 2, "bf16"},
                                           CudaCase{1, 4, "w8a8"}, CudaCase{1, 4, "bf16"},
                                           CudaCase{1, 1, "w8a8"},
                                           CudaCase{2, 2, "bf16", "tiny-qwen2"},
                                           CudaCase{1, 4, "bf16", "tiny-llama"}),
                         [](const auto& info) {
                           const std::string model(info.param.model + std::strlen("tiny-"));
                           return model + "Dp" + std::to_string(info.param.data_parallel) + "Tp" +
                                  std::to_string(info.param.tensor_parallel) + info.param.compute;
                         });

using CudaAutoTest = ClusterTest;

// The coordinator takes workers of one kind.
TEST_F(CudaAutoTest, WhereNotEveryWorkerHasADeviceAllComputeOnTheCpu) {
  ClusterOptions options = OnCuda(2, 1, "bf16");
  std::replace(options.more_flags.begin(), options.more_flags.end(), std::string("cuda"),
               std::string("auto"));
  options.launcher[2] = "1";  // device
  const Cluster& cluster = StartServing(options);
  ASSERT_FALSE(HasFailure());
  EXPECT_THAT(cluster.Log(),
              ::testing::HasSubstr("CUDA devices of this machine: 1, for 2 workers"));
  EXPECT_THAT(cluster.Log(), ::testing::Not(::testing::HasSubstr("backend cuda")));
}

using CudaFailureTest = ClusterTest;

TEST_F(CudaFailureTest, ALostWorkerEndsTheClusterAndLeavesNothing) {
  Cluster& cluster = StartServing(OnCuda(1, 2, "bf16"));
  ASSERT_FALSE(HasFailure());
  const GoldenPrompt prompt = ShortPrompts()[0];
  StreamSet streams(cluster.http_port());
  streams.Open(PostAndClose(
      "/v1/completions",
      CompletionBody(prompt, {{"stream", true}, {"ignore_eos", true}, {"max_tokens", 400}})));
  ASSERT_TRUE(streams.ReadUntilAllFlow(seconds(60)));
  kill(cluster.WorkerPid(1), SIGKILL);
  ASSERT_TRUE(streams.ReadUntilAllEnd(seconds(30))) << cluster.Log();
  EXPECT_TRUE(streams.streams()[0].HasError());
  EXPECT_TRUE(cluster.WaitForExit(seconds(60)).has_value()) << cluster.Log();
  EXPECT_TRUE(cluster.WaitUntilNothingIsLeft()) << cluster.Log();
}

}  // namespace
}  // namespace switchyard::testing
