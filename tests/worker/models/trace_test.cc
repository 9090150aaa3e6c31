// Inside one forward pass of the bundled model, and its multi-token-prediction block: every traced
// tensor against models/tiny-r1/goldens/trace.safetensors, so that a difference has a place.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/testing/golden.h"
#include "tests/worker/models/engine_parts.h"
#include "tests/worker/weights/checkpoint_files.h"

namespace switchyard::testing {
namespace {

using worker::kTinyR1;

struct Bounds {
  const char* tensor;
  double f32_abs;        // 20 times what separates FP64 from the golden
  double bf16_relative;  // 1.5 times what plain BF16 arithmetic gives, |a - b|max / |b|max
};
// Table of models/tiny-r1/goldens/README.md, "Trace, w8a32".
constexpr Bounds kBounds[] = {
    {"attn", 20 * 0.014, 1.5 * 0.24},        {"c", 20 * 1.2e-5, 1.5 * 0.12},
    {"final_norm", 20 * 6.1e-5, 1.5 * 0.28}, {"hidden", 20 * 0.018, 1.5 * 0.045},
    {"k_pe", 20 * 0.00017, 1.5 * 0.099},     {"logits", 20 * 0.0003, 1.5 * 0.14},
    {"mtp.hidden", 20 * 0.01, 1.5 * 0.02},   {"mtp.input", 20 * 0.01, 1.5 * 0.18},
    {"mtp.logits", 20 * 0.01, 1.5 * 0.11},   {"mtp.norm", 20 * 0.01, 1.5 * 0.058},
};

struct Mode {
  const char* name;
  v1::ComputeMode mode;
  kernels::Compute compute;
};
const Mode kModes[] = {{"f32", v1::COMPUTE_MODE_F32, kernels::Compute::kF32},
                       {"bf16", v1::COMPUTE_MODE_BF16, kernels::Compute::kBf16}};

class TraceTest : public ::testing::TestWithParam<Mode> {
 protected:
  GoldenTensor Golden(const std::string& name) const { return file_.Get("w8a32/" + name); }

  // `got` has the rows from `first_row` on.
  void ExpectClose(const std::string& name, std::span<const float> got,
                   int64_t first_row = 0) const {
    GoldenTensor want = Golden(name);
    want.floats.erase(want.floats.begin(), want.floats.begin() + first_row * want.columns());
    ASSERT_EQ(got.size(), want.floats.size()) << name;
    double error = 0, magnitude = 0;
    size_t worst = 0;
    for (size_t i = 0; i < got.size(); ++i) {
      const double difference = std::abs(double(got[i]) - want.floats[i]);
      if (!(difference <= error)) error = difference, worst = i;
      magnitude = std::max(magnitude, std::abs(double(want.floats[i])));
    }
    const Bounds* bounds = std::ranges::find_if(kBounds, [&](const Bounds& b) {
      return name == b.tensor || name.starts_with(b.tensor + std::string("."));
    });
    ASSERT_NE(bounds, std::end(kBounds)) << name;
    const double limit = IsF32() ? bounds->f32_abs : bounds->bf16_relative * magnitude;
    EXPECT_LE(error, limit) << name << " at row " << worst / want.columns() << ", column "
                            << worst % want.columns() << ": got " << got[worst] << ", want "
                            << want.floats[worst];
  }

  // Tokens whose experts differ; the weights of the others agree.
  int TokensWithOtherExperts(int layer) const {
    const GoldenTensor ids = Golden(fmt::format("router_ids.{}", layer));
    const GoldenTensor weights = Golden(fmt::format("router_weights.{}", layer));
    const auto& got_ids = parts_.trace().at("router_ids", layer);
    const auto& got_weights = parts_.trace().at("router_weights", layer);
    EXPECT_EQ(got_ids.ints.size(), ids.ints.size());
    int others = 0;
    for (int64_t t = 0; t < ids.shape[0]; ++t) {
      const int64_t k = ids.columns();
      if (!std::ranges::equal(std::span(got_ids.ints).subspan(t * k, k), ids.int_row(t))) {
        ++others;
        continue;
      }
      for (int64_t j = 0; j < k; ++j) {
        EXPECT_NEAR(got_weights.floats[t * k + j], weights.row(t)[j], IsF32() ? 20 * 1.4e-5 : 0.25)
            << "layer " << layer << ", token " << t << ", slot " << j;
      }
    }
    return others;
  }

  bool IsF32() const { return GetParam().mode == v1::COMPUTE_MODE_F32; }

  const GoldenFile file_{kTinyR1 + "/goldens/trace.safetensors"};
  EngineParts parts_{kTinyR1, GetParam().mode, GetParam().compute};
};

TEST_P(TraceTest, EveryLayerComputesWhatTheReferenceDid) {
  const std::vector<float> logits = parts_.Forward(Golden("input_ids").ints);
  const KeptTrace& trace = parts_.trace();
  const int num_layers = parts_.spec().num_layers();
  int other_experts = 0;
  for (int layer = 0; layer < num_layers; ++layer) {
    for (const char* name : {"hidden", "attn", "c", "k_pe"}) {
      ExpectClose(fmt::format("{}.{}", name, layer), trace.at(name, layer).floats);
    }
    if (layer >= parts_.spec().moe().first_moe_layer()) {
      other_experts += TokensWithOtherExperts(layer);
    }
  }
  ExpectClose(fmt::format("hidden.{}", num_layers), trace.at("hidden", num_layers).floats);
  ExpectClose("final_norm", trace.at("final_norm", -1).floats);
  ExpectClose("logits", logits);
  EXPECT_LE(other_experts, IsF32() ? 0 : 4);  // of 51; the README's BF16 engine: 3 of 68
}

TEST_P(TraceTest, ThePredictionBlockComputesWhatTheReferenceDid) {
  parts_.Forward(Golden("input_ids").ints);
  const std::vector<float> logits =
      parts_.ForwardMtp(parts_.trace().at("final_norm", -1).floats, Golden("mtp.next_ids").ints);
  const KeptTrace& trace = parts_.trace();
  const int block = parts_.spec().num_layers();
  for (const char* name : {"attn", "c", "k_pe"}) {
    ExpectClose(fmt::format("{}.{}", name, block), trace.at(name, block).floats);
  }
  EXPECT_LE(TokensWithOtherExperts(block), IsF32() ? 0 : 1);
  for (const char* name : {"mtp.input", "mtp.hidden", "mtp.norm"}) {
    ExpectClose(name, trace.at(name, -1).floats);
  }
  ExpectClose("mtp.logits", logits);
}

// As a prompt's tokens and a first guess behind them are drafted.
TEST_P(TraceTest, ThePredictionBlockGuessesBehindWhatItOnlyCached) {
  const std::vector<int32_t> next = Golden("mtp.next_ids").ints;
  parts_.Forward(Golden("input_ids").ints);
  const std::vector<float> hidden = parts_.trace().at("final_norm", -1).floats;
  const int64_t last = std::ssize(next) - 1;
  const auto width = static_cast<int64_t>(parts_.spec().hidden_size());
  parts_.CacheMtp({hidden.begin(), hidden.begin() + last * width},
                  {next.begin(), next.begin() + last});
  const int block = parts_.spec().num_layers();
  const std::vector<float> logits =
      parts_.GuessMtp({hidden.begin() + last * width, hidden.end()}, next.back(), last);
  for (const char* name : {"attn", "c", "k_pe"}) {
    ExpectClose(fmt::format("{}.{}", name, block), parts_.trace().at(name, block).floats, last);
  }
  ExpectClose("mtp.logits", logits, last);
}

// The block's guess for each token of an answer, its cache filled from position 0.
TEST_P(TraceTest, DraftsAreTheReferences) {
  int num_drafts = 0, num_wrong = 0;
  for (const GoldenCase& golden : ReadGoldenCases(kTinyR1)) {
    std::vector<int32_t> tokens = golden.prompt_tokens;
    tokens.insert(tokens.end(), golden.greedy_tokens.begin(), golden.greedy_tokens.end());
    if (tokens.size() > 64) continue;  // enough is left, sooner
    const std::vector<int32_t> next(tokens.begin() + 1, tokens.end());
    tokens.pop_back();
    parts_.Forward(tokens);
    const std::vector<float> logits =
        parts_.ForwardMtp(parts_.trace().at("final_norm", -1).floats, next);
    const std::vector<int32_t>& drafts = golden.mtp_drafts.at("w8a32");
    const std::vector<float>& margins = golden.mtp_margins.at("w8a32");
    const int64_t vocab = parts_.spec().vocab_size();
    for (size_t i = 0; i < drafts.size(); ++i) {
      const auto row = logits.begin() + (golden.prompt_tokens.size() - 1 + i) * vocab;
      const auto draft = static_cast<int32_t>(std::max_element(row, row + vocab) - row);
      ++num_drafts;
      num_wrong += draft != drafts[i];
      // Twice the largest error of a logit.
      if (IsF32() && margins[i] > 2 * 0.00344) {
        EXPECT_EQ(draft, drafts[i]) << golden.id << ", draft " << i;
      }
    }
  }
  EXPECT_GT(num_drafts, 300);
  EXPECT_LE(num_wrong, IsF32() ? 2 : num_drafts / 50);
  RecordProperty("wrong_drafts", fmt::format("{} of {}", num_wrong, num_drafts));
}

INSTANTIATE_TEST_SUITE_P(Modes, TraceTest, ::testing::ValuesIn(kModes),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace switchyard::testing
