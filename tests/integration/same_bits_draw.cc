#include "tests/integration/same_bits_draw.h"

#include <algorithm>
#include <numeric>

#include "base/units.h"

namespace switchyard::testing {
namespace {

// Of the model of most draws so many that the first 16 draws ask for all there is.
constexpr int kAsksPerDraw = 20;
constexpr int kMostAsksPerDraw = 40;
constexpr int kProcessesEvery = 8;  // draws: they take long to start
constexpr int kGlooEvery = 5;       // of the others

bool HasProcesses(int number) { return number % kProcessesEvery == kProcessesEvery - 1; }
// The number of a draw among those with processes, or those without.
int NumberOfKind(int number) {
  const int num_processes = number / kProcessesEvery;
  return HasProcesses(number) ? num_processes : number - num_processes;
}

struct Layout {
  int32_t data_parallel = 1;
  int32_t tensor_parallel = 1;
};
constexpr std::array kLayouts = {Layout{1, 1}, Layout{1, 1}, Layout{1, 1}, Layout{2, 1},
                                 Layout{2, 1}, Layout{1, 2}, Layout{1, 2}, Layout{2, 2},
                                 Layout{1, 4}, Layout{4, 1}};
constexpr std::array kComputes = {v1::COMPUTE_MODE_BF16, v1::COMPUTE_MODE_BF16,
                                  v1::COMPUTE_MODE_BF16, v1::COMPUTE_MODE_BF16,
                                  v1::COMPUTE_MODE_F32,  v1::COMPUTE_MODE_W8A8};

// Part `number` of all requests, which are shuffled anew each time they are through.
std::vector<Ask> DealAsks(uint64_t seed, int number, int num_asks, int num_requests) {
  std::vector<Ask> asks;
  for (int i = number * num_asks; i < (number + 1) * num_asks; ++i) {
    std::vector<Ask> deck(static_cast<size_t>(num_requests));
    std::iota(deck.begin(), deck.end(), 0);
    Dice dice(MixBits(seed) ^ static_cast<uint64_t>(i / num_requests));
    for (int32_t left = num_requests - 1; left > 0; --left) {
      std::swap(deck[static_cast<size_t>(left)], deck[static_cast<size_t>(dice.Roll(0, left))]);
    }
    asks.push_back(deck[static_cast<size_t>(i % num_requests)]);
  }
  return asks;
}

// What is dealt out by the number, so that few draws have it all: where the ranks are, and
// speculation in all of its forms. That goes on and off by twos, for models change by ones.
void DrawKind(Draw& draw) {
  const int number = NumberOfKind(draw.number);
  draw.ranks = Ranks::kThreads;
  if (number % kGlooEvery == kGlooEvery - 2) draw.ranks = Ranks::kThreadsByGloo;
  if (HasProcesses(draw.number)) draw.ranks = Ranks::kProcesses;
  const int turn = draw.ranks == Ranks::kProcesses ? number + 1 : number;
  if (turn / 2 % 2 == 1) return;
  const bool by_model = draw.model->has_mtp && number / 4 % 2 == 0;
  draw.drafts = by_model ? v1::DRAFT_METHOD_MTP : v1::DRAFT_METHOD_NGRAM;
}

void DrawCluster(Draw& draw) {
  Dice& dice = draw.dice;
  draw.model = &ModelOfDraw(draw.number);
  DrawKind(draw);
  draw.compute = dice.Pick(kComputes);
  const Layout layout = dice.Pick(kLayouts);
  draw.data_parallel = layout.data_parallel;
  draw.tensor_parallel = layout.tensor_parallel;
  draw.num_threads = dice.Pick(std::array{1, 1, 2, 4});
  draw.max_batched_tokens = dice.Pick(std::array{17, 40, 64, 200, 512});
  draw.micro_batch_tokens = dice.Pick(std::array{0, 1, 9, 30});
  draw.max_running = std::min(draw.max_batched_tokens, dice.Pick(std::array{2, 3, 5, 8, 16, 32}));
  draw.max_prompt_chunk = dice.Chance(50) ? dice.Roll(5, draw.max_batched_tokens) : 0;
  draw.prefix_cache = dice.Chance(70);
  draw.expanded_bytes = dice.Pick(std::array{int64_t{0}, 3 * kMiB, 20 * kMiB});
  draw.max_under_way = dice.Chance(60) ? 2 : 1;
  if (draw.drafts != v1::DRAFT_METHOD_NONE) draw.max_drafts = dice.Roll(1, 4);
  if (draw.model->has_mtp) return;
  if (draw.compute == v1::COMPUTE_MODE_W8A8) draw.compute = v1::COMPUTE_MODE_F32;
}

// As many blocks as the longest request needs, and sometimes hardly more.
void DrawBlocks(const SameBitsRequests& requests, Draw& draw) {
  if (draw.ranks != Ranks::kProcesses) {
    draw.block_tokens = draw.dice.Pick(std::array{16, 16, 16, 4, 1});
  }
  int32_t longest = 0;
  for (const Ask ask : draw.asks) {
    const core::NewRequest request = requests.Make(ask);
    longest =
        std::max(longest, static_cast<int32_t>(request.prompt_tokens.size()) + request.max_tokens);
  }
  const int32_t spare_tokens = draw.dice.Pick(std::array{16, 48, 160, 2000});
  draw.num_blocks = (longest + spare_tokens) / draw.block_tokens + 1;
}

void DrawEvents(Draw& draw) {
  Dice& dice = draw.dice;
  const auto num_asks = static_cast<int32_t>(draw.asks.size());
  for (int again = dice.Roll(0, 6); again > 0; --again) {
    draw.asks.push_back(draw.asks[static_cast<size_t>(dice.Roll(0, num_asks - 1))]);
  }
  draw.arrival_percent = dice.Pick(std::array{5, 20, 60, 100});
  draw.cancel_percent = dice.Chance(30) ? 2 : 0;
  draw.num_tenants = dice.Roll(1, 3);
  if (draw.ranks == Ranks::kProcesses || !dice.Chance(40)) return;
  draw.tokens_between_intruders = dice.Roll(1, 5);
  draw.max_running = std::min(draw.max_running, dice.Roll(2, 4));  // so that they find no place
  draw.num_tenants = 1;
}

}  // namespace

std::string Draw::Describe() const {
  constexpr const char* kRanks[] = {"threads", "threads by Gloo", "processes"};
  return fmt::format(
      "--seed {} --draw {} ({} {} {}x{} as {}, {} threads, {} tokens a step, cut from {}, {} "
      "running, chunk {}, {} blocks of {}, {} expanded, cache {}, under way {}, drafts {} {}, "
      "arrival {}%, cancel {}%, {} tenants, intruders every {} tokens)",
      seed, number, model->name, v1::ComputeMode_Name(compute), data_parallel, tensor_parallel,
      kRanks[static_cast<int>(ranks)], num_threads, max_batched_tokens, micro_batch_tokens,
      max_running, max_prompt_chunk, num_blocks, block_tokens, FormatBytes(expanded_bytes),
      prefix_cache ? "on" : "off", max_under_way, v1::DraftMethod_Name(drafts), max_drafts,
      arrival_percent, cancel_percent, num_tenants, tokens_between_intruders);
}

// In five of ten draws one of the others.
const SameBitsModel& ModelOfDraw(int number) {
  constexpr int kModels[] = {0, 1, 0, 2, 0, 3, 0, 4, 0, 5};
  return kSameBitsModels[kModels[NumberOfKind(number) % 10]];
}

Draw MakeDraw(uint64_t seed, int number, const SameBitsRequests& requests) {
  const uint64_t key = RandomBits(seed, static_cast<uint64_t>(number));
  Draw draw{.seed = seed, .number = number, .dice = Dice(key)};
  DrawCluster(draw);
  int turn = 0;  // among the draws of its model
  for (int before = 0; before < number; ++before) turn += &ModelOfDraw(before) == draw.model;
  const bool is_first = draw.model == &kSameBitsModels[0];
  draw.asks = DealAsks(seed, turn, is_first ? kMostAsksPerDraw : kAsksPerDraw, requests.size());
  if (draw.ranks == Ranks::kProcesses || !draw.model->thinks) {
    std::erase_if(draw.asks,
                  [](Ask ask) { return SameBitsRequests::WayOf(ask) == Way::kThinking; });
  }
  DrawBlocks(requests, draw);
  DrawEvents(draw);
  return draw;
}

}  // namespace switchyard::testing
