// Drafts change how long an answer takes, and nothing that a client can read: the same requests on
// clusters with and without them.
#include <chrono>
#include <regex>

#include "tests/integration/cluster_fixture.h"
#include "tests/integration/golden_prompts.h"
#include "tests/testing/http_client.h"

namespace switchyard::testing {
namespace {

class DraftsTest : public ClusterTest {
 protected:
  static Json Ask(const Cluster& cluster, const std::string& path, const Json& body) {
    HttpClient client(cluster.http_port());
    EXPECT_TRUE(client.Send(Post(path, body.dump())));
    const std::optional<HttpAnswer> answer = client.ReadAnswer();
    if (!answer.has_value()) {
      ADD_FAILURE() << "no answer\n" << cluster.Log();
      return nullptr;
    }
    EXPECT_EQ(answer->status, 200) << answer->body;
    Json json = Json::parse(answer->body, nullptr, /*allow_exceptions=*/false);
    EXPECT_TRUE(json.is_object()) << answer->body;
    return json;
  }

  static double Metric(const Cluster& cluster, const std::string& name) {
    HttpClient client(cluster.http_port());
    client.Send(Get("/metrics"));
    const std::optional<HttpAnswer> answer = client.ReadAnswer();
    std::smatch match;
    if (!answer.has_value() ||
        !std::regex_search(answer->body, match, std::regex("\n" + name + "(?:\\{\\})? (\\S+)"))) {
      ADD_FAILURE() << "no metric " << name;
      return 0;
    }
    return std::stod(match[1]);
  }
};

const Json kSchema = {{"type", "object"},
                      {"properties",
                       {{"city", {{"type", "string"}, {"maxLength", 12}}},
                        {"size", {{"type", "integer"}, {"minimum", 0}, {"maximum", 999}}},
                        {"kind", {{"enum", {"town", "village"}}}}}},
                      {"required", {"city", "size", "kind"}},
                      {"additionalProperties", false}};

// Greedy and drawn; with log probabilities, penalties and stops; under a grammar, inside thoughts
// and behind them; with a prefix in the cache.
std::vector<std::pair<std::string, Json>> Requests() {
  std::vector<std::pair<std::string, Json>> requests;
  const std::vector<GoldenPrompt> prompts = ReadGoldenPrompts();
  const Json form = {{"type", "json_schema"},
                     {"json_schema", {{"name", "place"}, {"schema", kSchema}}}};
  for (size_t i = 0; i < 5; ++i) {
    const auto complete = [&](const Json& fields) {
      requests.emplace_back("/v1/completions", Json::parse(CompletionBody(prompts[i], fields)));
    };
    complete({{"max_tokens", 60}, {"logprobs", 3}});
    complete({{"max_tokens", 60}, {"temperature", 1.0}, {"seed", i}, {"logprobs", 1}});
    complete({{"max_tokens", 60},
              {"temperature", 0.8},
              {"seed", i},
              {"top_p", 0.9},
              {"min_tokens", 20},
              {"repetition_penalty", 1.2},
              {"frequency_penalty", 0.4}});
    complete({{"max_tokens", 80}, {"response_format", form}});
    complete({{"max_tokens", 80}, {"temperature", 1.3}, {"seed", i}, {"response_format", form}});
    complete({{"max_tokens", 1}});
    if (prompts[i].messages.is_null()) continue;
    const auto chat = [&](Json fields) {
      fields.update({{"messages", prompts[i].messages}, {"max_tokens", 90}});
      requests.emplace_back("/v1/chat/completions", std::move(fields));
    };
    chat({{"temperature", 0}, {"n", 2}});
    chat({{"temperature", 0.7}, {"seed", i}, {"max_thinking_tokens", 9}});
    chat({{"temperature", 0.7}, {"seed", i}, {"response_format", form}});
  }
  return requests;
}

TEST_F(DraftsTest, NoAnswerChanges) {
  const Cluster& plain = StartServing({.more_flags = {"--drafts", "off"}});
  const Cluster& model = StartServing({.more_flags = {"--drafts", "mtp", "--draft-tokens", "2"}});
  const Cluster& history =
      StartServing({.data_parallel = 1,
                    .tensor_parallel = 2,
                    .more_flags = {"--drafts", "ngram", "--draft-tokens", "4"}});
  for (const auto& [path, body] : Requests()) {
    const Json want = Ask(plain, path, body);
    for (const Cluster* cluster : {&model, &history}) {
      const Json got = Ask(*cluster, path, body);
      EXPECT_EQ(got["choices"], want["choices"]) << path << " " << body.dump();
      EXPECT_EQ(got["usage"], want["usage"]) << path << " " << body.dump();
    }
  }
  EXPECT_EQ(Metric(plain, "switchyard_draft_tokens_total"), 0);
  for (const Cluster* cluster : {&model, &history}) {
    const double drafted = Metric(*cluster, "switchyard_draft_tokens_total");
    const double accepted = Metric(*cluster, "switchyard_accepted_draft_tokens_total");
    EXPECT_GT(accepted, 10) << "of " << drafted;
    EXPECT_LT(accepted, drafted);
    const double sequences = Metric(*cluster, "switchyard_drafted_sequences_total");
    EXPECT_GT(sequences, 0);
    EXPECT_LT(sequences, drafted);  // some had several
  }
}

TEST_F(DraftsTest, ARequestMayDoWithout) {
  const Cluster& cluster = StartServing({.more_flags = {"--drafts", "mtp"}});
  const GoldenPrompt prompt = ReadGoldenPrompts()[0];
  const Json without =
      Ask(cluster, "/v1/completions",
          Json::parse(CompletionBody(
              prompt, {{"max_tokens", 40}, {"ignore_eos", true}, {"drafts", false}})));
  EXPECT_EQ(Metric(cluster, "switchyard_draft_tokens_total"), 0);
  const Json with =
      Ask(cluster, "/v1/completions",
          Json::parse(CompletionBody(prompt, {{"max_tokens", 40}, {"ignore_eos", true}})));
  EXPECT_GT(Metric(cluster, "switchyard_draft_tokens_total"), 0);
  EXPECT_EQ(with["choices"], without["choices"]);
}

}  // namespace
}  // namespace switchyard::testing
