// The write into the cache of keys and values.
#include <cstring>

#include "kernels/cpu/attention.h"
#include "kernels/cpu/f32_rows.h"
#include "kernels/cpu/paged_cache.h"
#include "kernels/cpu/parallel_rows.h"
#include "kernels/cpu/rotary.h"
#include "kernels/cpu/row_kernels.h"

namespace switchyard::kernels::cpu {

void GqaWrite(const CpuContext& cpu, const GqaWriteArgs& args) {
  CheckF32("GqaWrite", {&args.k, &args.v});
  const RowKernels& kernels = RowKernelsOf(cpu.isa);
  const PagedCache cache = PagedCache::OfKeysAndValues(args.cache);
  const int64_t heads = args.k.dims[1], dim = args.k.dims[2];
  const auto put = [&](const float* from, std::byte* to) {
    if (cache.dtype() == DType::kBf16) {
      kernels.narrow_bf16(from, reinterpret_cast<Bf16*>(to), dim);
    } else {
      std::memcpy(to, from, static_cast<size_t>(dim) * sizeof(float));
    }
  };
  const KeyRotation& rotation = args.rotation;
  const Rotary rotary(cpu, "GqaWrite", rotation.positions, rotation.table, rotation.halves);
  ForRows(cpu, args.k.rows(), heads * dim * 4 * SizeOf(DType::kF32), [&](int64_t t) {
    if (args.slots[t] == kNoSlot) return;
    const float* const angles = rotation.empty() ? nullptr : rotary.Angles(t);
    for (int64_t head = 0; head < heads; ++head) {
      std::byte* key = cache.AtSlot(args.slots[t], head);
      if (angles != nullptr) rotary.Turn(args.k.row<float>(t) + head * dim, angles);
      put(args.k.row<const float>(t) + head * dim, key);
      put(args.v.row<const float>(t) + head * dim, key + cache.value_bytes());
    }
  });
}

}  // namespace switchyard::kernels::cpu
