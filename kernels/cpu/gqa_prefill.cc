// Grouped-query attention of a prompt's chunk: cuts it into (key-value head, query rows), each of
// which walks the sequence's tiles. Sums live in the op's output from tile to tile.
#include <algorithm>
#include <limits>

#include "kernels/cpu/attention.h"
#include "kernels/cpu/attention_kernels.h"
#include "kernels/cpu/cpu_scratch.h"
#include "kernels/cpu/f32_rows.h"
#include "kernels/cpu/paged_cache.h"
#include "kernels/cpu/parallel_rows.h"

namespace switchyard::kernels::cpu {
namespace {

// How many query rows a task takes: as many as leave each thread several tasks, but enough to make
// the packing of keys and values small, and not more than keep its sums in a core's cache.
int64_t RowsPerTask(int64_t num_rows, int64_t kv_heads, int64_t sharing_heads, int num_threads) {
  constexpr int64_t kTasksPerThread = 4;
  const int64_t pieces = (num_threads * kTasksPerThread + kv_heads - 1) / kv_heads;
  const int64_t least = RoundUp((48 + sharing_heads - 1) / sharing_heads, kMaxTileRows);
  const int64_t most = std::max(least, 1536 / sharing_heads / kMaxTileRows * kMaxTileRows);
  return std::clamp(RoundUp((num_rows + pieces - 1) / pieces, kMaxTileRows), least, most);
}

class PrefillStep {
 public:
  PrefillStep(const CpuContext& cpu, const GqaPrefillArgs& args)
      : cpu_(cpu),
        args_(args),
        cache_(PagedCache::OfKeysAndValues(args.cache)),
        num_rows_(args.q.rows()),
        kv_heads_(args.cache.dims[1]),
        sharing_heads_(args.q.dims[1] / kv_heads_),
        dim_(args.q.dims[2]),
        window_(args.window == 0 ? std::numeric_limits<int32_t>::max() : args.window),
        rows_per_task_(RowsPerTask(num_rows_, kv_heads_, sharing_heads_, cpu.pool.num_threads())),
        num_pieces_((num_rows_ + rows_per_task_ - 1) / rows_per_task_),
        work_size_(RoundUp(GqaPrefillWorkSize(dim_), kMaxLanes)),
        stats_size_(RoundUp(2 * rows_per_task_ * sharing_heads_, kMaxLanes)) {}

  // Later queries see more keys: those go first.
  void Run() {
    const AttentionKernels& kernels = AttentionKernelsOf(cpu_.isa);
    const auto kernel =
        cache_.dtype() == DType::kBf16 ? kernels.gqa_prefill_bf16 : kernels.gqa_prefill_f32;
    float* work =
        cpu_.scratch->attention.Reserve(cpu_.pool.num_threads() * (work_size_ + stats_size_));
    ForTasks(cpu_, num_pieces_ * kv_heads_, MultipliesPerTask(), [&](int64_t i, int thread) {
      const int64_t piece = num_pieces_ - 1 - i / kv_heads_;
      RunTask(kernel, i % kv_heads_, piece * rows_per_task_,
              work + thread * (work_size_ + stats_size_));
    });
  }

 private:
  int64_t MultipliesPerTask() const {
    const int64_t keys = std::min<int64_t>(args_.positions.back() + 1, window_ + num_rows_);
    return std::min(rows_per_task_, num_rows_) * sharing_heads_ * keys * 2 * dim_;
  }

  void RunTask(void (*kernel)(const GqaPrefillTask&), int64_t kv, int64_t row, float* work) const {
    const int64_t first_head = kv * sharing_heads_;
    const void *keys[kPrefillTileTokens], *values[kPrefillTileTokens];
    GqaPrefillTask task = {.dim = dim_,
                           .num_heads = sharing_heads_,
                           .q = args_.q.row<const float>(row) + first_head * dim_,
                           .q_stride = args_.q.row_stride,
                           .num_rows = std::min(rows_per_task_, num_rows_ - row),
                           .first_position = args_.positions[row],
                           .keys = keys,
                           .values = values,
                           .window = window_,
                           .scale = args_.scale,
                           .out = args_.out.row<float>(row) + first_head * dim_,
                           .out_stride = args_.out.row_stride,
                           .stats = work + work_size_,
                           .work = work};
    Clear(task, first_head);
    const int64_t begin = std::max<int64_t>(task.first_position + 1 - window_, 0);
    const int64_t end = task.first_position + task.num_rows;
    for (int64_t tile = begin / kPrefillTileTokens * kPrefillTileTokens; tile < end;
         tile += kPrefillTileTokens) {
      task.tile_begin = tile;
      task.first_key = std::max<int64_t>(begin - tile, 0);
      task.num_keys = std::min(end - tile, kPrefillTileTokens);
      task.last = tile + kPrefillTileTokens >= end;
      for (int64_t i = task.first_key; i < task.num_keys; ++i) {
        const std::byte* key = cache_.AtPosition(args_.table.data(), tile + i, kv);
        keys[i] = key;
        values[i] = key + cache_.value_bytes();
      }
      kernel(task);
    }
  }

  // No key seen yet; a sink is there from the beginning.
  void Clear(const GqaPrefillTask& task, int64_t first_head) const {
    const auto* sinks = static_cast<const float*>(args_.sinks.data);
    for (int64_t row = 0; row < task.num_rows; ++row) {
      std::fill_n(task.out + row * task.out_stride, sharing_heads_ * dim_, 0.0f);
      for (int64_t head = 0; head < sharing_heads_; ++head) {
        float* stats = task.stats + 2 * (row * sharing_heads_ + head);
        stats[0] =
            sinks != nullptr ? sinks[first_head + head] : -std::numeric_limits<float>::infinity();
        stats[1] = sinks != nullptr ? 1.0f : 0.0f;
      }
    }
  }

  const CpuContext& cpu_;
  const GqaPrefillArgs& args_;
  const PagedCache cache_;
  const int64_t num_rows_;
  const int64_t kv_heads_;
  const int64_t sharing_heads_;  // of a key-value head
  const int64_t dim_;
  const int64_t window_;
  const int64_t rows_per_task_;
  const int64_t num_pieces_;
  const int64_t work_size_;   // of a task, for the kernel
  const int64_t stats_size_;  // and behind that, for its rows' maxima and sums
};

}  // namespace

void GqaPrefill(const CpuContext& cpu, const GqaPrefillArgs& args) {
  CheckF32("GqaPrefill", {&args.q});
  PrefillStep(cpu, args).Run();
}

}  // namespace switchyard::kernels::cpu
