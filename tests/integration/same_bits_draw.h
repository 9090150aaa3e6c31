// A cluster and what happens to requests in it, drawn from a seed.
#ifndef SWITCHYARD_TESTS_INTEGRATION_SAME_BITS_DRAW_H_
#define SWITCHYARD_TESTS_INTEGRATION_SAME_BITS_DRAW_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"
#include "proto/cluster.pb.h"
#include "tests/integration/same_bits_requests.h"

namespace switchyard::testing {

// Numbers from a seed, one after the other.
class Dice {
 public:
  explicit Dice(uint64_t seed) : seed_(seed) {}
  // From `low` to `high`, both included.
  int32_t Roll(int32_t low, int32_t high) {
    const auto sides = static_cast<uint64_t>(high - low) + 1;
    return low + static_cast<int32_t>(RandomBits(seed_, next_++) % sides);
  }
  bool Chance(int32_t percent) { return Roll(1, 100) <= percent; }
  template <typename T, size_t kSize>
  T Pick(const std::array<T, kSize>& values) {
    return values[static_cast<size_t>(Roll(0, int32_t{kSize} - 1))];
  }

 private:
  const uint64_t seed_;
  uint64_t next_ = 0;
};

// Where the ranks are.
enum class Ranks {
  kThreads,        // of this process, over its memory
  kThreadsByGloo,  // the same, over what processes talk by
  kProcesses,      // `switchyard serve`, asked over HTTP
};

struct Draw {
  uint64_t seed = 0;
  int number = 0;

  // The cluster.
  const SameBitsModel* model = nullptr;
  Ranks ranks = Ranks::kThreads;
  v1::ComputeMode compute = v1::COMPUTE_MODE_BF16;
  int32_t data_parallel = 1;
  int32_t tensor_parallel = 1;
  int32_t num_threads = 1;
  int32_t max_batched_tokens = 512;
  int32_t micro_batch_tokens = 0;  // from so many on a step is cut; 0: never
  int32_t max_running = 8;
  int32_t max_prompt_chunk = 0;
  int32_t block_tokens = 16;
  int32_t num_blocks = 0;
  int64_t expanded_bytes = 0;
  bool prefix_cache = true;
  int32_t max_under_way = 1;  // 2: plans leave ahead of results
  v1::DraftMethod drafts = v1::DRAFT_METHOD_NONE;
  int32_t max_drafts = 0;

  // The requests, in order of arrival; some are asked twice.
  std::vector<Ask> asks;
  int32_t arrival_percent = 50;  // chance, at each event, that the next one comes
  int32_t cancel_percent = 0;    // that one leaves
  int32_t num_tenants = 1;
  int32_t tokens_between_intruders = 0;  // 0: none. Each takes the last request's place

  Dice dice{0};  // for what happens while they run

  // The flags that make the draw again, and what it is.
  std::string Describe() const;
};

// The model of a draw, by its number alone.
const SameBitsModel& ModelOfDraw(int number);

// The same for the same arguments; draws of one model ask for all its requests in turn. REQUIRES:
// `requests` are of ModelOfDraw(number).
Draw MakeDraw(uint64_t seed, int number, const SameBitsRequests& requests);

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_INTEGRATION_SAME_BITS_DRAW_H_
