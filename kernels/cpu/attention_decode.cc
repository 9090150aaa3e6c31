// Decode attention, absorbed and grouped-query: cuts each row's keys into runs and its heads into
// groups, computes the softmax of each, and joins a row's runs in the order of their keys. Runs
// begin at fixed positions, so neither the cut into tasks nor the number of threads shows in the
// result.
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

constexpr int64_t kWholeSequence = std::numeric_limits<int32_t>::max();  // as a window

// Both forms: absorbed attention is that of one key-value head, whose keys are its values.
struct DecodeInputs {
  PagedCache cache;
  int64_t kv_heads = 1;
  int64_t value_dim = 0;
  TensorView q;     // f32 [T, A, value_dim]
  TensorView q_pe;  // f32 [T, A, rope]: the rest of the queries
  int64_t q_pe_head_stride = 0;
  std::span<const int32_t> positions;
  std::span<const int32_t* const> tables;
  float scale = 0;
  int64_t window = kWholeSequence;
  const float* sinks = nullptr;  // A, or null
  TensorView out;                // f32 [T, A, value_dim]
};

// As many heads of those that share keys as share them well, unless that leaves threads without
// work.
int64_t HeadsPerTask(int64_t sharing_heads, int64_t num_runs, int num_threads) {
  int64_t heads = kMaxDecodeHeads;
  while (heads > 4 && (sharing_heads + heads - 1) / heads * num_runs < 2 * num_threads) heads /= 2;
  return heads;
}

class DecodeStep {
 public:
  DecodeStep(const CpuContext& cpu, const DecodeInputs& inputs)
      : cpu_(cpu),
        kernels_(AttentionKernelsOf(cpu.isa)),
        inputs_(inputs),
        num_rows_(inputs.q.rows()),
        num_heads_(inputs.q.dims[1]),
        sharing_heads_(num_heads_ / inputs.kv_heads),
        value_dim_(inputs.value_dim),
        rope_dim_(inputs.q_pe.dims[2]) {
    int64_t num_runs = 0;
    for (int64_t row = 0; row < num_rows_; ++row) {
      SY_CHECK_GE(inputs.positions[row], 0) << "attention: positions";
      num_runs += NumRunsOf(row);
    }
    group_heads_ = HeadsPerTask(sharing_heads_, num_runs * inputs.kv_heads, cpu.pool.num_threads());
    groups_per_kv_ = (sharing_heads_ + group_heads_ - 1) / group_heads_;
    num_groups_ = groups_per_kv_ * inputs.kv_heads;
    num_tasks_ = num_runs * num_groups_;
    Reserve();
  }

  // Waves of tasks, so that unfinished softmaxes take a bounded amount of memory however long the
  // sequences are.
  void Run() {
    for (int64_t row = 0; row < num_rows_; ++row) {
      if (NumRunsOf(row) > 0) continue;
      std::fill_n(inputs_.out.row<float>(row), num_heads_ * value_dim_, 0.0f);
    }
    for (int64_t begin = 0; begin < num_tasks_; begin += num_slots_) {
      const int64_t end = std::min(begin + num_slots_, num_tasks_);
      ForTasks(cpu_, end - begin, group_heads_ * KeysPerTask() * (2 * value_dim_ + rope_dim_),
               [&](int64_t slot, int thread) { Compute(begin + slot, slot, thread); });
      Join(begin, end);
    }
  }

 private:
  // The first key that a row sees, and the runs from that one's on.
  int64_t FirstKey(int64_t position) const {
    return std::max<int64_t>(position + 1 - inputs_.window, 0);
  }
  int64_t FirstRun(int64_t position) const { return FirstKey(position) / kDecodeRunTokens; }
  // None without keys.
  int64_t NumRunsOf(int64_t row) const {
    const int64_t position = inputs_.positions[row];
    if (inputs_.tables[row] == nullptr) return 0;
    return position / kDecodeRunTokens + 1 - FirstRun(position);
  }

  void Reserve() {
    num_slots_ = std::min(num_tasks_, std::max<int64_t>(64, 8 * cpu_.pool.num_threads()));
    slot_size_ = RoundUp(group_heads_ * (value_dim_ + 2), kMaxLanes);
    work_size_ = RoundUp(DecodeWorkSize(value_dim_, rope_dim_), kMaxLanes);
    const int64_t states = RoundUp(2 * num_rows_ * num_heads_, kMaxLanes);
    work_ = cpu_.scratch->attention.Reserve(cpu_.pool.num_threads() * work_size_ +
                                            num_slots_ * slot_size_ + states);
    slots_ = work_ + cpu_.pool.num_threads() * work_size_;
    states_ = slots_ + num_slots_ * slot_size_;
    first_task_ = cpu_.scratch->attention_rows.Reserve(num_rows_ + 1);
    first_task_[0] = 0;
    for (int64_t row = 0; row < num_rows_; ++row) {
      first_task_[row + 1] = first_task_[row] + NumRunsOf(row) * num_groups_;
    }
  }

  // Roughly: short sequences have one run that is not full.
  int64_t KeysPerTask() const {
    return std::min<int64_t>(kDecodeRunTokens, std::ranges::max(inputs_.positions) + 1);
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
    float* max = sums + group_heads_ * value_dim_;
    return {sums, max, max + group_heads_};
  }

  // The heads of a group, which are consecutive and share keys.
  struct Heads {
    int64_t kv, first, count;
  };
  Heads HeadsOf(int64_t group) const {
    const int64_t kv = group / groups_per_kv_, begin = group % groups_per_kv_ * group_heads_;
    return {kv, kv * sharing_heads_ + begin, std::min(group_heads_, sharing_heads_ - begin)};
  }

  // A row's tasks: groups of the first run, groups of the second, ...
  void Compute(int64_t task, int64_t slot_index, int thread) const {
    const int64_t row = RowOf(task), position = inputs_.positions[row];
    const int64_t run = FirstRun(position) + (task - first_task_[row]) / num_groups_;
    const Heads heads = HeadsOf((task - first_task_[row]) % num_groups_);
    const int64_t begin = std::max(run * kDecodeRunTokens, FirstKey(position));
    const int64_t end = std::min((run + 1) * kDecodeRunTokens, position + 1);
    const void *keys[kDecodeRunTokens], *values[kDecodeRunTokens];
    for (int64_t i = 0; i < end - begin; ++i) {
      const std::byte* key = inputs_.cache.AtPosition(inputs_.tables[row], begin + i, heads.kv);
      keys[i] = key;
      values[i] = key + inputs_.cache.value_bytes();
    }
    const Slot slot = SlotAt(slot_index);
    const DecodeTask decode = {
        .latent_dim = value_dim_,
        .rope_dim = rope_dim_,
        .num_heads = heads.count,
        .qa = inputs_.q.row<const float>(row) + heads.first * value_dim_,
        .qa_stride = value_dim_,
        .q_pe = inputs_.q_pe.row<const float>(row) + heads.first * inputs_.q_pe_head_stride,
        .q_pe_stride = inputs_.q_pe_head_stride,
        .keys = keys,
        .values = inputs_.cache.value_bytes() == 0 ? keys : values,
        .num_keys = end - begin,
        .scale = inputs_.scale,
        .sums = slot.sums,
        .sums_stride = value_dim_,
        .max = slot.max,
        .total = slot.total,
        .work = work_ + thread * work_size_};
    (inputs_.cache.dtype() == DType::kBf16 ? kernels_.decode_bf16 : kernels_.decode_f32)(decode);
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
      const Heads heads = HeadsOf(group);
      for (int64_t i = 0; i < heads.count; ++i) {
        const PartialSoftmax run = {slot.sums + i * value_dim_, slot.max[i], slot.total[i]};
        JoinHead(row, heads.first + i, run, first, last);
      }
    }
  }

  void JoinHead(int64_t row, int64_t head, const PartialSoftmax& run, bool first, bool last) const {
    float* state = states_ + 2 * (row * num_heads_ + head);
    float* out = inputs_.out.row<float>(row) + head * value_dim_;
    PartialSoftmax all = {out, state[0], state[1]};
    if (first && inputs_.sinks != nullptr) {
      std::fill_n(out, value_dim_, 0.0f);
      all.max = inputs_.sinks[head];
      all.total = 1;
      kernels_.merge(all, run, value_dim_);
    } else if (first) {
      std::copy_n(run.sums, value_dim_, out);
      all.max = run.max;
      all.total = run.total;
    } else {
      kernels_.merge(all, run, value_dim_);
    }
    state[0] = all.max;
    state[1] = all.total;
    if (last) kernels_.normalize(out, all.total, value_dim_);
  }

  const CpuContext& cpu_;
  const AttentionKernels& kernels_;
  const DecodeInputs& inputs_;
  const int64_t num_rows_;
  const int64_t num_heads_;
  const int64_t sharing_heads_;  // of a key-value head
  const int64_t value_dim_;
  const int64_t rope_dim_;
  int64_t group_heads_ = 0;
  int64_t groups_per_kv_ = 0;
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
  const int64_t rope_dim = args.q_pe.dims[2];
  const DecodeInputs inputs = {
      .cache = PagedCache::OfLatents(args.cache),
      .value_dim = args.qa.dims[2],
      .q = args.qa,
      .q_pe = args.q_pe,
      .q_pe_head_stride = args.q_pe_head_stride == 0 ? rope_dim : args.q_pe_head_stride,
      .positions = args.positions,
      .tables = args.tables,
      .scale = args.scale,
      .out = args.out};
  DecodeStep(cpu, inputs).Run();
}

void GqaDecode(const CpuContext& cpu, const GqaDecodeArgs& args) {
  CheckF32("GqaDecode", {&args.q});
  if (args.q.NumElements() == 0) return;
  TensorView no_rest = args.q;
  no_rest.dims[2] = 0;
  const DecodeInputs inputs = {.cache = PagedCache::OfKeysAndValues(args.cache),
                               .kv_heads = args.cache.dims[1],
                               .value_dim = args.q.dims[2],
                               .q = args.q,
                               .q_pe = no_rest,
                               .positions = args.positions,
                               .tables = args.tables,
                               .scale = args.scale,
                               .window = args.window == 0 ? kWholeSequence : args.window,
                               .sinks = static_cast<const float*>(args.sinks.data),
                               .out = args.out};
  DecodeStep(cpu, inputs).Run();
}

}  // namespace switchyard::kernels::cpu
