// A vocabulary's logits over any number of ranks, each a thread with ops of its own.
#ifndef SWITCHYARD_TESTS_WORKER_SAMPLE_SAMPLE_TESTING_H_
#define SWITCHYARD_TESTS_WORKER_SAMPLE_SAMPLE_TESTING_H_

#include <algorithm>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/check.h"
#include "kernels/backend.h"
#include "tests/testing/ranks.h"
#include "worker/sample/sampler.h"

namespace switchyard::worker {

// Logits [rows, vocabulary], and room for one more row each.
struct LogitRows {
  int32_t num_rows = 0;
  int32_t vocab_size = 0;
  std::vector<float> values;  // num_rows * vocab_size

  std::span<const float> row(int32_t i) const {
    return std::span(values).subspan(size_t(i) * vocab_size, vocab_size);
  }
};

inline std::unique_ptr<kernels::Ops> OneThread() {
  auto ops = kernels::MakeCpuBackend({.num_threads = 1});
  SY_CHECK(ops.ok()) << Message(ops.status());
  return std::move(*ops);
}

// What this rank does: its part of the vocabulary, its logits, what it may use.
struct RankLogits {
  kernels::Ops& ops;
  LogitShards::Part part;
  HostGather gather;
  kernels::TensorView logits;  // [2 * rows, columns]
};

// Runs `body` on every rank; all must be OK.
inline void OverRanks(int num_ranks, const LogitRows& rows,
                      const std::function<absl::Status(RankLogits&)>& body) {
  const auto statuses = testing::RunLocalRanks(num_ranks, [&](Collectives& group) {
    const int64_t begin = int64_t{rows.vocab_size} * group.rank() / num_ranks;
    const int64_t end = int64_t{rows.vocab_size} * (group.rank() + 1) / num_ranks;
    std::vector<float> own(2 * rows.num_rows * (end - begin));
    for (int32_t row = 0; row < rows.num_rows; ++row) {
      const auto from = rows.row(row).subspan(begin, end - begin);
      std::copy(from.begin(), from.end(), own.begin() + row * (end - begin));
    }
    const auto ops = OneThread();
    RankLogits rank{
        .ops = *ops,
        .part = {.first_token = int32_t(begin), .rank = group.rank(), .num_ranks = num_ranks},
        .gather =
            [&](std::span<const std::byte> in, std::span<std::byte> out) {
              return group.AllGather(in.data(), out.data(), std::ssize(in));
            },
        .logits = kernels::TensorView(own.data(), kernels::DType::kF32,
                                      {2 * rows.num_rows, end - begin})};
    return body(rank);
  });
  ASSERT_TRUE(testing::AllOk(statuses));
}

}  // namespace switchyard::worker

#endif  // SWITCHYARD_TESTS_WORKER_SAMPLE_SAMPLE_TESTING_H_
