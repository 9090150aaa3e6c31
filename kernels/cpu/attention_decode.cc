// Decode attention: cuts each row's keys into runs and its heads into groups, computes the softmax
// of each, and joins a row's runs in the order of their keys. Runs begin at fixed positions, so
// neither the cut into tasks nor the number of threads shows in the result.
#include <algorithm>

#include "kernels/cpu/attention.h"
#include "kernels/cpu/attention_kernels.h"
#include "kernels/cpu/cpu_scratch.h"
#include "kernels/cpu/f32_rows.h"
#include "kernels/cpu/latent_cache.h"
#include "kernels/cpu/parallel_rows.h"

namespace switchyard::kernels::cpu {
namespace {

// As many heads as share a latent well, unless that leaves threads without work.
int64_t HeadsPerTask(int64_t num_heads, int64_t num_runs, int num_threads) {
  int64_t heads = kMaxDecodeHeads;
  while (heads > 4 && (num_heads + heads - 1) / heads * num_runs < 2 * num_threads) heads /= 2;
  return heads;
}

int64_t NumRuns(int64_t position) { return position / kDecodeRunTokens + 1; }

class DecodeStep {
 public:
  DecodeStep(const CpuContext& cpu, const DecodeAttentionArgs& args)
      : cpu_(cpu),
        kernels_(AttentionKernelsOf(cpu.isa)),
        args_(args),
        cache_(args.cache),
        num_rows_(args.qa.rows()),
        num_heads_(args.qa.dims[1]),
        latent_dim_(args.qa.dims[2]),
        rope_dim_(args.q_pe.dims[2]) {
    int64_t num_runs = 0;
    for (int32_t position : args.positions) {
      SY_CHECK_GE(position, 0) << "DecodeAttention: positions";
      num_runs += NumRuns(position);
    }
    group_heads_ = HeadsPerTask(num_heads_, num_runs, cpu.pool.num_threads());
    num_groups_ = (num_heads_ + group_heads_ - 1) / group_heads_;
    num_tasks_ = num_runs * num_groups_;
    Reserve();
  }

  // Waves of tasks, so that unfinished softmaxes take a bounded amount of memory however long the
  // sequences are.
  void Run() {
    for (int64_t begin = 0; begin < num_tasks_; begin += num_slots_) {
      const int64_t end = std::min(begin + num_slots_, num_tasks_);
      ForTasks(cpu_, end - begin, group_heads_ * KeysPerTask() * (2 * latent_dim_ + rope_dim_),
               [&](int64_t slot, int thread) { Compute(begin + slot, slot, thread); });
      Join(begin, end);
    }
  }

 private:
  void Reserve() {
    num_slots_ = std::min(num_tasks_, std::max<int64_t>(64, 8 * cpu_.pool.num_threads()));
    slot_size_ = RoundUp(group_heads_ * (latent_dim_ + 2), kMaxLanes);
    work_size_ = RoundUp(DecodeWorkSize(latent_dim_, rope_dim_), kMaxLanes);
    const int64_t states = RoundUp(2 * num_rows_ * num_heads_, kMaxLanes);
    work_ = cpu_.scratch->attention.Reserve(cpu_.pool.num_threads() * work_size_ +
                                            num_slots_ * slot_size_ + states);
    slots_ = work_ + cpu_.pool.num_threads() * work_size_;
    states_ = slots_ + num_slots_ * slot_size_;
    first_task_ = cpu_.scratch->attention_rows.Reserve(num_rows_ + 1);
    first_task_[0] = 0;
    for (int64_t row = 0; row < num_rows_; ++row) {
      first_task_[row + 1] = first_task_[row] + NumRuns(args_.positions[row]) * num_groups_;
    }
  }

  // Roughly: short sequences have one run that is not full.
  int64_t KeysPerTask() const {
    return std::min<int64_t>(kDecodeRunTokens, std::ranges::max(args_.positions) + 1);
  }

  int64_t RowOf(int64_t task) const {
    return std::upper_bound(first_task_, first_task_ + num_rows_ + 1, task) - first_task_ - 1;
  }

  struct Slot {
    float* sums;   // [group_heads, latent_dim]
    float* max;    // [group_heads]
    float* total;  // [group_heads]
  };
  Slot SlotAt(int64_t index) const {
    float* sums = slots_ + index * slot_size_;
    float* max = sums + group_heads_ * latent_dim_;
    return {sums, max, max + group_heads_};
  }

  // A row's tasks: groups of the first run, groups of the second, ...
  void Compute(int64_t task, int64_t slot_index, int thread) const {
    const int64_t row = RowOf(task);
    const int64_t run = (task - first_task_[row]) / num_groups_;
    const int64_t head = (task - first_task_[row]) % num_groups_ * group_heads_;
    const int64_t begin = run * kDecodeRunTokens;
    const int64_t num_keys = std::min(kDecodeRunTokens, args_.positions[row] + 1 - begin);
    const void* keys[kDecodeRunTokens];
    for (int64_t i = 0; i < num_keys; ++i)
      keys[i] = cache_.AtPosition(args_.tables[row], begin + i);

    const int64_t pe_stride = args_.q_pe_head_stride == 0 ? rope_dim_ : args_.q_pe_head_stride;
    const Slot slot = SlotAt(slot_index);
    const DecodeTask decode = {.latent_dim = latent_dim_,
                               .rope_dim = rope_dim_,
                               .num_heads = std::min(group_heads_, num_heads_ - head),
                               .qa = args_.qa.row<const float>(row) + head * latent_dim_,
                               .qa_stride = latent_dim_,
                               .q_pe = args_.q_pe.row<const float>(row) + head * pe_stride,
                               .q_pe_stride = pe_stride,
                               .keys = keys,
                               .num_keys = num_keys,
                               .scale = args_.scale,
                               .sums = slot.sums,
                               .sums_stride = latent_dim_,
                               .max = slot.max,
                               .total = slot.total,
                               .work = work_ + thread * work_size_};
    (cache_.dtype() == DType::kBf16 ? kernels_.decode_bf16 : kernels_.decode_f32)(decode);
  }

  // Adds the tasks [begin, end), now in their slots, to their rows' outputs.
  void Join(int64_t begin, int64_t end) {
    const int64_t first_row = RowOf(begin);
    const int64_t rows = RowOf(end - 1) + 1 - first_row;
    const int64_t bytes = (end - begin) * slot_size_ * SizeOf(DType::kF32) / (rows * num_groups_);
    ForRows(cpu_, rows * num_groups_, bytes, [&](int64_t i) {
      JoinGroup(first_row + i / num_groups_, i % num_groups_, begin, end);
    });
  }

  void JoinGroup(int64_t row, int64_t group, int64_t begin, int64_t end) const {
    for (int64_t task = first_task_[row] + group; task < first_task_[row + 1];
         task += num_groups_) {
      if (task < begin || task >= end) continue;
      const bool first = task < first_task_[row] + num_groups_;
      const bool last = task + num_groups_ >= first_task_[row + 1];
      const Slot slot = SlotAt(task - begin);
      const int64_t heads = std::min(group_heads_, num_heads_ - group * group_heads_);
      for (int64_t i = 0; i < heads; ++i) {
        const int64_t head = group * group_heads_ + i;
        const PartialSoftmax run = {slot.sums + i * latent_dim_, slot.max[i], slot.total[i]};
        JoinHead(row, head, run, first, last);
      }
    }
  }

  void JoinHead(int64_t row, int64_t head, const PartialSoftmax& run, bool first, bool last) const {
    float* state = states_ + 2 * (row * num_heads_ + head);
    float* out = args_.out.row<float>(row) + head * latent_dim_;
    PartialSoftmax all = {out, state[0], state[1]};
    if (first) {
      std::copy_n(run.sums, latent_dim_, out);
      all.max = run.max;
      all.total = run.total;
    } else {
      kernels_.merge(all, run, latent_dim_);
    }
    state[0] = all.max;
    state[1] = all.total;
    if (last) kernels_.normalize(out, all.total, latent_dim_);
  }

  const CpuContext& cpu_;
  const AttentionKernels& kernels_;
  const DecodeAttentionArgs& args_;
  const LatentCache cache_;
  const int64_t num_rows_;
  const int64_t num_heads_;
  const int64_t latent_dim_;
  const int64_t rope_dim_;
  int64_t group_heads_ = 0;
  int64_t num_groups_ = 0;
  int64_t num_tasks_ = 0;
  int64_t num_slots_ = 0;
  int64_t slot_size_ = 0;
  int64_t work_size_ = 0;
  float* work_ = nullptr;          // a piece per thread
  float* slots_ = nullptr;         // softmaxes of the wave
  float* states_ = nullptr;        // [rows, heads, 2]: maximum and total of the runs joined so far
  int64_t* first_task_ = nullptr;  // per row, then the end
};

}  // namespace

void DecodeAttention(const CpuContext& cpu, const DecodeAttentionArgs& args) {
  CheckF32("DecodeAttention", {&args.qa});
  if (args.qa.NumElements() == 0) return;
  DecodeStep(cpu, args).Run();
}

}  // namespace switchyard::kernels::cpu
