// Log probabilities of the whole vocabulary through a real cluster: every layout gives the bits
// that those of the likeliest have.
#include <grpcpp/create_channel.h>

#include <chrono>
#include <cmath>
#include <thread>

#include "proto/inference.grpc.pb.h"
#include "tests/integration/cluster_fixture.h"
#include "tests/integration/golden_prompts.h"
#include "tests/testing/http_client.h"

namespace switchyard::testing {
namespace {

constexpr int kVocab = 4096;

using SortedJson = nlohmann::json;  // reads objects of thousands of members fast

class FullLogprobsTest : public ClusterTest {
 protected:
  // Four requests at most in a step, and eight tokens of which all is told.
  const Cluster& StartLayout(int data_parallel, int tensor_parallel) {
    return StartServing({.data_parallel = data_parallel,
                         .tensor_parallel = tensor_parallel,
                         .more_flags = {"--max-logprobs", "-1", "--max-running", "4"}});
  }

  static SortedJson Choice(const Cluster& cluster, const GoldenPrompt& prompt, const Json& more) {
    Json fields = {{"max_tokens", 6}, {"temperature", 0}, {"echo", true}};
    fields.update(more);
    HttpClient client(cluster.http_port());
    EXPECT_TRUE(client.Send(Post("/v1/completions", CompletionBody(prompt, fields))));
    const auto answer = client.ReadAnswer();
    EXPECT_TRUE(answer.has_value()) << cluster.Log();
    if (!answer.has_value()) return {};
    EXPECT_EQ(answer->status, 200) << answer->body;
    const SortedJson json = SortedJson::parse(answer->body);
    return json["choices"][0];
  }

  static SortedJson Full(const Cluster& cluster, const GoldenPrompt& prompt) {
    return Choice(cluster, prompt, {{"logprobs", -1}, {"prompt_logprobs", -1}});
  }

  // The tokens of answer and prompt, each with all that stands in `likeliest`, too.
  static void ExpectSameBits(const SortedJson& full, const SortedJson& likeliest) {
    EXPECT_EQ(full["text"], likeliest["text"]);
    EXPECT_EQ(full["logprobs"]["token_logprobs"], likeliest["logprobs"]["token_logprobs"]);
    const SortedJson& tops = full["logprobs"]["top_logprobs"];
    const SortedJson& few = likeliest["logprobs"]["top_logprobs"];
    ASSERT_EQ(tops.size(), few.size());
    for (size_t i = 1; i < tops.size(); ++i) {
      EXPECT_GT(tops[i].size(), few[i].size());
      for (const auto& [name, logprob] : few[i].items()) EXPECT_EQ(tops[i][name], logprob) << name;
    }
    const SortedJson& prompt = full["prompt_logprobs"];
    ASSERT_EQ(prompt.size(), likeliest["prompt_logprobs"].size());
    for (size_t i = 1; i < prompt.size(); ++i) {
      ASSERT_EQ(prompt[i].size(), size_t{kVocab});
      double sum = 0;
      for (const auto& [token, entry] : prompt[i].items()) {
        sum += std::exp(entry["logprob"].get<double>());
      }
      EXPECT_NEAR(sum, 1, 1e-5);
      for (const auto& [token, entry] : likeliest["prompt_logprobs"][i].items()) {
        EXPECT_EQ(prompt[i][token]["logprob"], entry["logprob"]) << token;
      }
    }
  }

  // Those of the answer's tokens, by gRPC.
  static std::vector<std::vector<float>> OverGrpc(const Cluster& cluster,
                                                  const GoldenPrompt& prompt) {
    const auto stub = v1::Inference::NewStub(
        grpc::CreateChannel(cluster.grpc_address(), grpc::InsecureChannelCredentials()));
    v1::GenerateRequest request;
    request.mutable_tokens()->mutable_tokens()->Add(prompt.prompt_tokens.begin(),
                                                    prompt.prompt_tokens.end());
    request.set_temperature(0);
    request.set_max_tokens(6);
    request.set_logprobs(-1);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    const auto reader = stub->Generate(&context, request);
    std::vector<std::vector<float>> tokens;
    v1::GenerateResponse response;
    while (reader->Read(&response)) {
      for (const v1::ScoredToken& token : response.logprobs()) {
        EXPECT_EQ(token.full_logprobs(token.token()), token.logprob());
        tokens.emplace_back(token.full_logprobs().begin(), token.full_logprobs().end());
      }
    }
    EXPECT_TRUE(reader->Finish().ok());
    return tokens;
  }
};

TEST_F(FullLogprobsTest, AreThoseOfTheLikeliestInEveryLayoutAndCompany) {
  const std::vector<GoldenPrompt> prompts = ReadGoldenPrompts();
  std::vector<SortedJson> alone;
  std::vector<std::vector<float>> over_grpc;
  {
    const Cluster& cluster = StartLayout(1, 1);
    for (int i = 0; i < 6; ++i) {
      alone.push_back(Full(cluster, prompts[i]));
      ExpectSameBits(alone.back(),
                     Choice(cluster, prompts[i], {{"logprobs", 128}, {"prompt_logprobs", 128}}));
    }
    over_grpc = OverGrpc(cluster, prompts[0]);
    ASSERT_FALSE(over_grpc.empty());
    for (const std::vector<float>& token : over_grpc) {
      ASSERT_EQ(token.size(), size_t{kVocab});
      double sum = 0;
      for (const float logprob : token) sum += std::exp(double{logprob});
      EXPECT_NEAR(sum, 1, 1e-5);
    }
  }
  for (const auto& [data_parallel, tensor_parallel] :
       {std::pair(1, 1), std::pair(1, 2), std::pair(2, 1)}) {
    SCOPED_TRACE(fmt::format("dp {}, tp {}", data_parallel, tensor_parallel));
    const Cluster& cluster = StartLayout(data_parallel, tensor_parallel);
    std::vector<SortedJson> together(alone.size());
    std::vector<std::thread> clients;
    for (size_t i = 0; i < alone.size(); ++i) {
      clients.emplace_back([&, i] { together[i] = Full(cluster, prompts[i]); });
    }
    for (std::thread& client : clients) client.join();
    for (size_t i = 0; i < alone.size(); ++i) EXPECT_TRUE(together[i] == alone[i]) << i;
    EXPECT_EQ(OverGrpc(cluster, prompts[0]), over_grpc);
  }
}

TEST_F(FullLogprobsTest, AreRefusedUnlessTheServerIsToldToGiveThem) {
  const Cluster& cluster = StartServing();
  HttpClient client(cluster.http_port());
  ASSERT_TRUE(client.Send(
      Post("/v1/completions", CompletionBody(ReadGoldenPrompts()[0], {{"logprobs", -1}}))));
  const auto answer = client.ReadAnswer();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 400);
  const Json error = Json::parse(answer->body)["error"];
  EXPECT_EQ(error["param"], "logprobs");
  EXPECT_NE(error["message"].get<std::string>().find("--max-logprobs"), std::string::npos);
}

}  // namespace
}  // namespace switchyard::testing
