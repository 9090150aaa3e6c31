// Matrix ops. Weights come from memory, not from the cache of 50 MB: a case has copies of its
// matrix and walks through them.
#include <fmt/format.h>

#include <memory>

#include "bench/kernels/cuda/op_case.h"
#include "bench/kernels/cuda/tensors.h"
#include "bench/kernels/host_matrix.h"
#include "kernels/cases/linear.h"

namespace switchyard::bench {
namespace {

using namespace kernels;  // the bench is about nothing else

constexpr double kColdBytes = 128 << 20;  // of copies
constexpr int kMostCopies = 64;           // of small matrices: launches cost more than they do

struct Precision {
  const char* name;
  DType weight;
  Compute compute;
  Arithmetic arithmetic;
};
constexpr Precision kPrecisions[] = {
    {"bf16", DType::kBf16, Compute::kBf16, Arithmetic::kBf16},
    {"fp8", DType::kF8E4M3, Compute::kBf16, Arithmetic::kBf16},
    {"w8a8", DType::kF8E4M3, Compute::kW8A8, Arithmetic::kFp8},
    {"int4", DType::kU4, Compute::kBf16, Arithmetic::kBf16},
    {"mxfp4", DType::kF4E2M1, Compute::kBf16, Arithmetic::kBf16},
};

LinearSource SourceOf(const HostMatrix& host, Compute compute) {
  LinearSource source = host.source;
  source.compute = compute;
  return source;
}

int CopiesOf(Extent extent, double weight_bytes) {
  if (extent == Extent::kBrief) return 1;
  int copies = 1;
  while (copies < kMostCopies && copies * weight_bytes < kColdBytes) ++copies;
  return copies;
}

using Weights = std::vector<std::unique_ptr<PackedLinear>>;

// k_shards: virtual shards of K, which are added in a tree.
OpCase LinearCase(Extent extent, const Precision& precision, const cases::LinearCase& shape,
                  int64_t rows, int64_t k_shards = 1) {
  const LinearShape sizes = {.rows = rows,
                             .n = shape.n,
                             .k = shape.k,
                             .weight = precision.weight,
                             .activation = DType::kBf16};
  return {
      .op = "Linear",
      .shape = fmt::format("{} {} {}x{}, {} rows{}", precision.name, shape.name, shape.n, shape.k,
                           rows, k_shards == 1 ? "" : fmt::format(", K in {}", k_shards)),
      .arithmetic = precision.arithmetic,
      .cost = LinearCost(sizes),
      .prepare = [=](Ops& ops) -> std::function<void()> {
        const auto tensors = std::make_shared<Tensors>(ops.device());
        const auto weights = std::make_shared<Weights>();
        const HostMatrix host(shape.n, shape.k, precision.weight);
        const double bytes = WeightBytes(shape.n, shape.k, precision.weight);
        for (int i = CopiesOf(extent, bytes); i > 0; --i) {
          LinearSource source = SourceOf(host, precision.compute);
          source.k_shards = k_shards;
          weights->push_back(ops.Pack(source));
        }
        const TensorView x = tensors->Random(DType::kBf16, {rows, shape.k});
        const TensorView y = tensors->Zeros(DType::kBf16, {rows, shape.n});
        return [=, &ops, next = size_t{0}]() mutable {
          ops.Linear({.x = x, .weight = (*weights)[next++ % weights->size()].get(), .y = y});
          (void)tensors;
        };
      }};
}

OpCase GateUpCase(const Precision& precision, const cases::LinearCase& shape, int64_t rows) {
  return {.op = "GateUp",
          .shape = fmt::format("{} {}x{}, {} rows", precision.name, shape.n, shape.k, rows),
          .arithmetic = precision.arithmetic,
          .cost = GateUpCost({.rows = rows,
                              .n = shape.n,
                              .k = shape.k,
                              .weight = precision.weight,
                              .activation = DType::kBf16}),
          .prepare = [=](Ops& ops) -> std::function<void()> {
            const auto tensors = std::make_shared<Tensors>(ops.device());
            const HostMatrix host(shape.n, shape.k, precision.weight);
            const LinearSource source = SourceOf(host, precision.compute);
            const std::shared_ptr<PackedLinear> weight = ops.PackGateUp(source, source);
            const TensorView x = tensors->Random(DType::kBf16, {rows, shape.k});
            const TensorView y = tensors->Zeros(DType::kBf16, {rows, shape.n});
            return [=, &ops] {
              ops.GateUp({.x = x, .weight = weight.get(), .y = y});
              (void)tensors;
            };
          }};
}

// The absorbed key expansion of `heads` heads.
OpCase BatchedCase(int64_t heads, int64_t n, int64_t k, int64_t rows) {
  return {
      .op = "BatchedLinear",
      .shape = fmt::format("bf16 {} of {}x{}, {} rows", heads, n, k, rows),
      .arithmetic = Arithmetic::kBf16,
      .cost = BatchedLinearCost({.rows = rows, .n = n, .k = k, .activation = DType::kBf16}, heads),
      .prepare = [=](Ops& ops) -> std::function<void()> {
        const auto tensors = std::make_shared<Tensors>(ops.device());
        const auto weights = std::make_shared<Weights>();
        const HostMatrix host(n, k, DType::kBf16);
        std::vector<const PackedLinear*> pointers;
        for (int64_t i = 0; i < heads; ++i) {
          weights->push_back(ops.Pack(host.source));
          pointers.push_back(weights->back().get());
        }
        const TensorView x = tensors->Random(DType::kBf16, {rows, heads, k});
        const TensorView y = tensors->Zeros(DType::kBf16, {rows, heads, n});
        return [=, &ops] {
          ops.BatchedLinear({.x = x, .weights = pointers, .y = y});
          (void)tensors, (void)weights;
        };
      }};
}

// `tokens` that draw `slots` of `experts` evenly.
struct MlpShape {
  int64_t experts, slots, hidden, width, tokens;
};

// `routed`: only the device knows the rows of each expert.
OpCase GroupedCase(const Precision& precision, const MlpShape& shape, bool routed) {
  const int64_t rows = shape.tokens * shape.slots;
  return {.op = routed ? "RoutedMlp" : "GroupedMlp",
          .shape = fmt::format("{} {} of {} experts {}x{}, {} tokens", precision.name, shape.slots,
                               shape.experts, shape.width, shape.hidden, shape.tokens),
          .arithmetic = precision.arithmetic,
          .cost = GroupedMlpCost({.rows = rows,
                                  .active_blocks = std::min(rows, shape.experts),
                                  .hidden = shape.hidden,
                                  .width = shape.width,
                                  .weight = precision.weight,
                                  .activation = DType::kBf16}),
          .prepare = [=](Ops& ops) -> std::function<void()> {
            const auto tensors = std::make_shared<Tensors>(ops.device());
            const auto experts = std::make_shared<std::vector<MlpWeights>>();
            const HostMatrix up(shape.width, shape.hidden, precision.weight);
            const HostMatrix down(shape.hidden, shape.width, precision.weight);
            const LinearSource up_source = SourceOf(up, precision.compute);
            std::vector<int32_t> offsets = {0}, spans;
            for (int64_t i = 0; i < shape.experts; ++i) {
              experts->push_back({.gate_up = ops.PackGateUp(up_source, up_source),
                                  .down = ops.Pack(SourceOf(down, precision.compute))});
              offsets.push_back(static_cast<int32_t>(rows * (i + 1) / shape.experts));
              const auto [begin, end] = std::pair(offsets[offsets.size() - 2], offsets.back());
              spans.insert(spans.end(), {begin, end - begin});
            }
            std::vector<const MlpWeights*> mlps;
            for (const MlpWeights& expert : *experts) mlps.push_back(&expert);
            const TensorView x = tensors->Random(DType::kBf16, {rows, shape.hidden});
            const TensorView y = tensors->Zeros(DType::kBf16, {rows, shape.hidden});
            if (routed) {
              const TensorView device_spans = tensors->Ints({shape.experts, 2}, spans);
              const std::shared_ptr<MlpTable> table = ops.MakeMlpTable(mlps);
              return [=, &ops] {
                ops.RoutedMlp({.x = x,
                               .spans = device_spans,
                               .table = table.get(),
                               .y = y,
                               .max_rows = rows,
                               .likely_rows = rows});
                (void)tensors, (void)experts;
              };
            }
            return [=, &ops] {
              ops.GroupedMlp({.x = x, .offsets = offsets, .mlps = mlps, .y = y});
              (void)tensors, (void)experts;
            };
          }};
}

OpCase AmaxCase(int64_t rows, int64_t width) {
  const int64_t groups = (width + 127) / 128;
  return {.op = "GroupAmax",
          .shape = fmt::format("{} rows of {}", rows, width),
          .cost = {.bytes = static_cast<double>(rows * (width * 2 + groups * 4))},
          .prepare = [=](Ops& ops) -> std::function<void()> {
            const auto tensors = std::make_shared<Tensors>(ops.device());
            const TensorView x = tensors->Random(DType::kBf16, {rows, width});
            const TensorView amax = tensors->Zeros(DType::kF32, {rows, groups});
            return [=, &ops] {
              ops.GroupAmax({.x = x, .amax = amax});
              (void)tensors;
            };
          }};
}

}  // namespace

std::vector<OpCase> LinearCases(Extent extent) {
  std::vector<OpCase> all;
  if (extent == Extent::kBrief) {
    // One for each width of tile.
    constexpr cases::LinearCase kBrief = {"brief", 128, 512};
    for (const Precision& precision : kPrecisions) {
      for (const int64_t rows : {8, 16, 32, 64, 128}) {
        all.push_back(LinearCase(extent, precision, kBrief, rows));
      }
    }
    all.push_back(LinearCase(extent, kPrecisions[0], kBrief, 8, /*k_shards=*/4));
    all.push_back(BatchedCase(2, 512, 128, 8));
    all.push_back(GateUpCase(kPrecisions[2], kBrief, 8));
    for (const bool routed : {false, true}) {
      const MlpShape few = {.experts = 4, .slots = 2, .hidden = 256, .width = 128, .tokens = 8};
      all.push_back(GroupedCase(kPrecisions[2], few, routed));
    }
    all.push_back(AmaxCase(8, 2048));
    return all;
  }
  for (const Precision& precision : kPrecisions) {
    for (const cases::LinearCase& shape : cases::kSmallV3) {
      for (const int64_t rows : {1, 8, 32, 128, 512, 4096}) {
        all.push_back(LinearCase(extent, precision, shape, rows));
      }
    }
    for (const int64_t rows : {1, 8, 128, 4096}) {
      all.push_back(GateUpCase(precision, {"dense", 8192, 2048}, rows));
    }
    for (const int64_t tokens : {1, 8, 128, 4096}) {
      for (const bool routed : {false, true}) {
        all.push_back(GroupedCase(
            precision, {.experts = 64, .slots = 8, .hidden = 2048, .width = 1024, .tokens = tokens},
            routed));
      }
    }
  }
  for (const int64_t rows : {1, 8, 128}) all.push_back(BatchedCase(16, 512, 128, rows));
  for (const int64_t rows : {1, 128, 4096}) all.push_back(AmaxCase(rows, 2048));
  return all;
}

}  // namespace switchyard::bench
