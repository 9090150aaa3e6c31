#include "worker/sample/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/random.h"
#include "worker/sample/threshold_search.h"

namespace switchyard::worker {

using kernels::LogitRow;

// One request on its way.
struct Sampler::Draw {
  const SampleRequest& request;
  int32_t row = 0;  // with the changes that sampling makes; the request's own where there are none
  TokenLogit peak;  // of `row`
  TokenLogit raw_peak;  // of the request's row, where log probabilities are wanted
  LogitRow sampling;    // of `row`, with the cuts so far
  std::optional<ThresholdSearch> search;  // the cut that is looked for just now
  std::optional<ThresholdSearch> top;     // the last of the likeliest tokens, in the raw row
  int32_t token = -1;
  bool is_broken = false;  // a guess whose logits are no numbers: nothing more is done for it

  const v1::SamplingParams& params() const { return request.state->params(); }
  bool wants_logprob() const {
    return !is_broken && (request.with_logprob || wants_top() || wants_full());
  }
  bool wants_top() const { return !is_broken && request.num_top > 0; }
  bool wants_full() const { return !is_broken && request.num_top == SamplingState::kFull; }
  bool is_given() const { return request.state == nullptr; }
  bool is_drawn() const {
    return !is_broken && !is_given() && params().temperature() > 0 && params().top_k() != 1;
  }
};

absl::Status BrokenLogits(int32_t position) {
  return absl::InternalError(
      fmt::format("the logits for position {} are not finite numbers", position));
}

namespace {

// Of a tiny temperature the inverse would be infinite, and the likeliest token, infinity times 0,
// no number: so it is as large as it can be, and what lies below the likeliest has no weight.
float InverseOf(float temperature) {
  return std::min(1.0f / temperature, std::numeric_limits<float>::max());
}

uint64_t DrawBelow(uint64_t bound, const v1::SamplingParams& params, int32_t position) {
  const uint64_t key = RandomBits(params.seed(), static_cast<uint64_t>(params.choice()));
  const uint64_t bits = RandomBits(key, static_cast<uint64_t>(position));
  return static_cast<uint64_t>((static_cast<unsigned __int128>(bits) * bound) >> 64);
}

}  // namespace

absl::StatusOr<std::vector<Sample>> Sampler::Run(const kernels::TensorView& logits,
                                                 int32_t num_rows,
                                                 std::span<const SampleRequest> requests) {
  shards_.Use(logits);
  std::vector<Draw> draws;
  draws.reserve(requests.size());
  for (const SampleRequest& request : requests) {
    draws.push_back({.request = request, .row = request.row});
  }
  Edit(draws, num_rows);
  SY_RETURN_IF_ERROR(FindPeaks(draws));
  SY_RETURN_IF_ERROR(Cut(draws));
  SY_RETURN_IF_ERROR(ChooseTokens(draws));
  std::vector<Sample> samples(draws.size());
  for (size_t i = 0; i < draws.size(); ++i) samples[i].token = draws[i].token;
  SY_RETURN_IF_ERROR(FindLogprobs(draws, samples));
  return samples;
}

// Rows whose log probabilities are wanted stay as they are: the changes go to a copy.
void Sampler::Edit(std::vector<Draw>& draws, int32_t num_rows) {
  std::vector<kernels::EditLogitsArgs::Copy> copies;
  std::vector<kernels::LogitEdit> edits;
  std::vector<int32_t> masked_rows;
  std::vector<uint32_t> masks;
  int32_t next_row = num_rows;
  for (Draw& draw : draws) {
    if (draw.is_given()) continue;
    const auto changes = draw.request.state->Changes();
    if (changes.empty() && draw.request.mask.empty()) continue;
    if (draw.wants_logprob()) {
      copies.push_back({.from = draw.row, .to = next_row});
      draw.row = next_row++;
    }
    for (const SamplingState::Change& change : changes) {
      const int32_t column = shards_.ColumnOf(change.token);
      if (column < 0) continue;
      edits.push_back({.row = draw.row,
                       .column = column,
                       .repetition = change.repetition,
                       .bias = change.bias});
    }
    if (draw.request.mask.empty()) continue;
    masked_rows.push_back(draw.row);
    masks.insert(masks.end(), draw.request.mask.begin(), draw.request.mask.end());
  }
  if (copies.empty() && edits.empty() && masked_rows.empty()) return;
  shards_.ops().EditLogits({.logits = shards_.logits(),
                            .copies = copies,
                            .edits = edits,
                            .masked_rows = masked_rows,
                            .masks = masks});
}

absl::Status Sampler::FindPeaks(std::vector<Draw>& draws) {
  std::vector<int32_t> rows;
  std::vector<TokenLogit*> places;
  for (Draw& draw : draws) {
    if (!draw.is_given()) {
      rows.push_back(draw.row);
      places.push_back(&draw.peak);
    }
    if (draw.wants_logprob() && (draw.is_given() || draw.row != draw.request.row)) {
      rows.push_back(draw.request.row);
      places.push_back(&draw.raw_peak);
    }
  }
  SY_ASSIGN_OR_RETURN(const std::vector<TokenLogit> peaks, shards_.Peaks(rows));
  for (size_t i = 0; i < peaks.size(); ++i) *places[i] = peaks[i];
  for (Draw& draw : draws) {
    if (draw.is_given()) {
      draw.token = draw.request.given;
    } else if (draw.row == draw.request.row) {
      draw.raw_peak = draw.peak;
    }
    draw.is_broken = (draw.wants_logprob() && !std::isfinite(draw.raw_peak.logit)) ||
                     (!draw.is_given() && !std::isfinite(draw.peak.logit));
    if (draw.is_broken && !draw.request.is_guess) return BrokenLogits(draw.request.position);
    if (!draw.is_broken && !draw.is_given()) draw.token = draw.peak.token;
  }
  return absl::OkStatus();
}

absl::Status Sampler::Cut(std::vector<Draw>& draws) {
  for (Draw& draw : draws) {
    if (draw.wants_top()) {
      draw.top = ThresholdSearch::ForCount(
          {.row = {.row = draw.request.row, .max = draw.raw_peak.logit}}, draw.request.num_top);
    }
    if (!draw.is_drawn()) continue;
    draw.sampling = {.row = draw.row,
                     .max = draw.peak.logit,
                     .inverse_temperature = InverseOf(draw.params().temperature())};
    if (draw.params().top_k() > 0) {
      draw.search = ThresholdSearch::ForCount({.row = draw.sampling}, draw.params().top_k());
    }
  }
  SY_RETURN_IF_ERROR(RunSearches(draws));
  for (Draw& draw : draws) {
    if (draw.is_drawn() && draw.params().top_p() < 1) {
      draw.search = ThresholdSearch::ForShare({.row = draw.sampling}, draw.params().top_p());
    }
  }
  SY_RETURN_IF_ERROR(RunSearches(draws));
  for (Draw& draw : draws) {
    if (!draw.is_drawn() || draw.params().min_p() == 0) continue;
    const double below = std::log(double{draw.params().min_p()}) * draw.params().temperature();
    const auto least = static_cast<float>(draw.peak.logit + below);
    draw.sampling.cut.least = std::max(draw.sampling.cut.least, least);
  }
  return CutToTypical(draws);
}

// Steps all searches level by level, many at a time.
absl::Status Sampler::RunSearches(std::vector<Draw>& draws) {
  constexpr size_t kBins = kernels::LogitHistogramArgs::kBins;
  while (true) {
    std::vector<ThresholdSearch*> open;
    std::vector<kernels::LogitHistogramArgs::Search> levels;
    for (Draw& draw : draws) {
      for (std::optional<ThresholdSearch>* search : {&draw.search, &draw.top}) {
        if (!search->has_value() || (*search)->done()) continue;
        open.push_back(&**search);
        levels.push_back((*search)->level());
      }
    }
    if (open.empty()) break;
    for (size_t begin = 0; begin < open.size(); begin += max_batch_) {
      const size_t count = std::min(max_batch_, open.size() - begin);
      SY_ASSIGN_OR_RETURN(const LogitShards::Histograms found,
                          shards_.Histogram(std::span(levels).subspan(begin, count)));
      for (size_t i = 0; i < count; ++i) {
        open[begin + i]->Take(std::span(found.counts).subspan(i * kBins, kBins),
                              std::span(found.weights).subspan(i * kBins, kBins));
      }
    }
  }
  for (Draw& draw : draws) {
    if (draw.search) draw.sampling.cut = draw.search->Narrowed();
    draw.search.reset();
  }
  return absl::OkStatus();
}

// Meister, Pimentel, Wiher, Cotterell, "Locally typical sampling", 2023: the surprise of a kept
// token is near the entropy. With s = (max - logit) / temperature, both are s plus one constant.
absl::Status Sampler::CutToTypical(std::vector<Draw>& draws) {
  std::vector<Draw*> typical;
  std::vector<LogitRow> rows;
  for (Draw& draw : draws) {
    if (!draw.is_drawn() || draw.params().typical_p() == 0 || draw.params().typical_p() == 1) {
      continue;
    }
    typical.push_back(&draw);
    rows.push_back(draw.sampling);
  }
  if (typical.empty()) return absl::OkStatus();
  SY_ASSIGN_OR_RETURN(const auto masses, shards_.Masses(rows, /*with_surprise=*/true));
  for (size_t i = 0; i < typical.size(); ++i) {
    Draw& draw = *typical[i];
    const double surprise =
        static_cast<double>(masses[i].total.surprise) / static_cast<double>(masses[i].total.weight);
    draw.sampling.cut.center =
        static_cast<float>(draw.peak.logit - surprise * draw.params().temperature());
    draw.search = ThresholdSearch::ForShare({.row = draw.sampling, .by_closeness = true},
                                            draw.params().typical_p());
  }
  return RunSearches(draws);
}

absl::Status Sampler::ChooseTokens(std::vector<Draw>& draws) {
  std::vector<Draw*> drawn;
  std::vector<LogitRow> rows;
  for (Draw& draw : draws) {
    if (!draw.is_drawn()) continue;
    drawn.push_back(&draw);
    rows.push_back(draw.sampling);
  }
  if (drawn.empty()) return absl::OkStatus();
  SY_ASSIGN_OR_RETURN(const auto masses, shards_.Masses(rows, /*with_surprise=*/false));
  std::vector<kernels::LogitPickArgs::Pick> picks(drawn.size());
  for (size_t i = 0; i < drawn.size(); ++i) {
    const Draw& draw = *drawn[i];
    picks[i] = {.row = rows[i],
                .target = DrawBelow(masses[i].total.weight, draw.params(), draw.request.position)};
  }
  SY_ASSIGN_OR_RETURN(const std::vector<int32_t> tokens, shards_.Pick(picks, masses));
  for (size_t i = 0; i < drawn.size(); ++i) drawn[i]->token = tokens[i];
  return absl::OkStatus();
}

absl::Status Sampler::FindLogprobs(const std::vector<Draw>& draws, std::vector<Sample>& samples) {
  std::vector<size_t> wanted;
  std::vector<LogitRow> rows;
  std::vector<int32_t> row_numbers, tokens;
  for (size_t i = 0; i < draws.size(); ++i) {
    const Draw& draw = draws[i];
    if (!draw.wants_logprob()) continue;
    wanted.push_back(i);
    rows.push_back({.row = draw.request.row, .max = draw.raw_peak.logit});
    row_numbers.push_back(draw.request.row);
    tokens.push_back(draw.token);
  }
  if (wanted.empty()) return absl::OkStatus();
  SY_RETURN_IF_ERROR(FindTop(draws, samples));
  SY_RETURN_IF_ERROR(FindFull(draws, samples));
  SY_ASSIGN_OR_RETURN(const auto masses, shards_.Masses(rows, /*with_surprise=*/false));
  SY_ASSIGN_OR_RETURN(const std::vector<float> values, shards_.Values(row_numbers, tokens));
  for (size_t i = 0; i < wanted.size(); ++i) {
    const double weight = static_cast<double>(masses[i].total.weight) / kernels::kLogitWeightOne;
    const auto logprob = [&, log_weight = std::log(weight)](float logit) {
      return static_cast<float>(double{logit} - rows[i].max - log_weight);
    };
    Sample& sample = samples[wanted[i]];
    sample.logprob = logprob(values[i]);
    for (TokenLogit& entry : sample.top) entry.logit = logprob(entry.logit);
    for (float& entry : sample.full) entry = logprob(entry);
  }
  return absl::OkStatus();
}

// As logits yet, too.
absl::Status Sampler::FindFull(const std::vector<Draw>& draws, std::vector<Sample>& samples) {
  for (size_t i = 0; i < draws.size(); ++i) {
    if (!draws[i].wants_full()) continue;
    SY_ASSIGN_OR_RETURN(samples[i].full, shards_.Row(draws[i].request.row));
  }
  return absl::OkStatus();
}

// As logits yet.
absl::Status Sampler::FindTop(const std::vector<Draw>& draws, std::vector<Sample>& samples) {
  std::vector<size_t> wanted;
  std::vector<kernels::LogitCollectArgs::Collect> collects;
  int32_t limit = 0;
  for (size_t i = 0; i < draws.size(); ++i) {
    const Draw& draw = draws[i];
    if (!draw.top) continue;
    wanted.push_back(i);
    collects.push_back({.row = draw.request.row, .least = draw.top->Narrowed().least});
    limit = std::max(limit, draw.request.num_top);
  }
  for (size_t begin = 0; begin < wanted.size(); begin += max_batch_) {
    const size_t count = std::min(max_batch_, wanted.size() - begin);
    SY_ASSIGN_OR_RETURN(auto top, shards_.Top(std::span(collects).subspan(begin, count), limit));
    for (size_t i = 0; i < count; ++i) {
      const size_t place = wanted[begin + i];
      const auto num_top = static_cast<size_t>(draws[place].request.num_top);
      if (top[i].size() > num_top) top[i].resize(num_top);
      samples[place].top = std::move(top[i]);
    }
  }
  return absl::OkStatus();
}

}  // namespace switchyard::worker
