// Launchers of kernels/cuda/logits.cuh.
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/logits.cuh"
#include "kernels/cuda/logits.h"

namespace switchyard::kernels::cuda {
namespace {

constexpr int kThreads = 256;

LogitTable TableOf(const TensorView& logits) {
  return {.data = static_cast<float*>(logits.data),
          .row_stride = logits.row_stride,
          .columns = static_cast<int32_t>(logits.dims[1])};
}

template <typename T>
Grid OneBlockEach(std::span<T> items, int threads = kLogitThreads) {
  return {.blocks = dim3(static_cast<unsigned>(items.size())), .threads = threads};
}

// Has the device write results, and waits until the host has them.
template <typename T, typename Body>
void Fetch(CudaContext& cuda, std::span<T> results, Body&& launch) {
  T* const on_device = cuda.results.Reserve<T>(std::ssize(results));
  launch(on_device);
  cuda.device.CopyToHost(results.data(), on_device, static_cast<int64_t>(results.size_bytes()));
}

}  // namespace

// Up to three launches: one must end before the next, for an edit may be of a row that a copy
// brings, by another block, and a mask has the last word. Rows that need none of them cost nothing.
void EditLogits(CudaContext& cuda, const EditLogitsArgs& args) {
  const LogitTable logits = TableOf(args.logits);
  if (!args.copies.empty()) {
    Launch(cuda, CopyLogitsKernel, OneBlockEach(args.copies), logits,
           cuda.staging.Upload(args.copies));
  }
  if (!args.edits.empty()) {
    const int64_t count = std::ssize(args.edits);
    const dim3 blocks(static_cast<unsigned>((count + kThreads - 1) / kThreads));
    Launch(cuda, EditLogitsKernel, {.blocks = blocks, .threads = kThreads}, logits,
           cuda.staging.Upload(args.edits), count);
  }
  // As many masks at a time as one array that goes to the device may have.
  const int64_t words = EditLogitsArgs::MaskWords(args.logits.dims[1]);
  const int64_t most = HostStaging::kSegmentBytes / (words * int64_t{sizeof(uint32_t)});
  for (int64_t begin = 0; begin < std::ssize(args.masked_rows); begin += most) {
    const int64_t count = std::min(most, std::ssize(args.masked_rows) - begin);
    const auto rows = args.masked_rows.subspan(begin, count);
    const int32_t* const rows_on_device = cuda.staging.Upload(rows);
    Launch(cuda, MaskLogitsKernel, OneBlockEach(rows), logits, rows_on_device,
           cuda.staging.Upload(args.masks.subspan(begin * words, count * words)));
  }
}

void LogitMax(CudaContext& cuda, const LogitMaxArgs& args) {
  if (args.rows.empty()) return;
  Fetch(cuda, args.peaks, [&](LogitPeak* peaks) {
    Launch(cuda, LogitMaxKernel, OneBlockEach(args.rows), TableOf(args.logits),
           cuda.staging.Upload(args.rows), peaks);
  });
}

void LogitHistogram(CudaContext& cuda, const LogitHistogramArgs& args) {
  if (args.searches.empty()) return;
  const int64_t bins = std::ssize(args.counts);
  auto* const weights = cuda.results.Reserve<uint64_t>(bins + (bins + 1) / 2);
  auto* const counts = reinterpret_cast<uint32_t*>(weights + bins);
  Launch(cuda, LogitHistogramKernel, OneBlockEach(args.searches), TableOf(args.logits),
         cuda.staging.Upload(args.searches), counts, weights);
  cuda.device.CopyToHost(args.weights.data(), weights, bins * int64_t{sizeof(uint64_t)});
  cuda.device.CopyToHost(args.counts.data(), counts, bins * int64_t{sizeof(uint32_t)});
}

void LogitMassOf(CudaContext& cuda, const LogitMassArgs& args) {
  if (args.rows.empty()) return;
  Fetch(cuda, args.masses, [&](LogitMass* masses) {
    Launch(cuda, LogitMassKernel, OneBlockEach(args.rows), TableOf(args.logits),
           cuda.staging.Upload(args.rows), args.with_surprise, masses);
  });
}

void LogitPick(CudaContext& cuda, const LogitPickArgs& args) {
  if (args.picks.empty()) return;
  Fetch(cuda, args.columns, [&](int32_t* columns) {
    Launch(cuda, LogitPickKernel, OneBlockEach(args.picks), TableOf(args.logits),
           cuda.staging.Upload(args.picks), columns);
  });
}

void LogitCollect(CudaContext& cuda, const LogitCollectArgs& args) {
  if (args.found.empty()) return;
  Fetch(cuda, args.found, [&](LogitPeak* found) {
    Launch(cuda, LogitCollectKernel, OneBlockEach(args.collects, kWarpThreads),
           TableOf(args.logits), cuda.staging.Upload(args.collects), args.limit, found);
  });
}

void LogitGather(CudaContext& cuda, const LogitGatherArgs& args) {
  if (args.rows.empty()) return;
  const int64_t count = std::ssize(args.rows);
  const dim3 blocks(static_cast<unsigned>((count + kThreads - 1) / kThreads));
  Fetch(cuda, args.values, [&](float* values) {
    const int32_t* const rows = cuda.staging.Upload(args.rows);
    Launch(cuda, LogitGatherKernel, {.blocks = blocks, .threads = kThreads}, TableOf(args.logits),
           rows, cuda.staging.Upload(args.columns), count, values);
  });
}

}  // namespace switchyard::kernels::cuda
