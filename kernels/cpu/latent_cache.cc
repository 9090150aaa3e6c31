// The latent cache's write and read.
#include <cstring>

#include "kernels/cpu/attention.h"
#include "kernels/cpu/f32_rows.h"
#include "kernels/cpu/paged_cache.h"
#include "kernels/cpu/parallel_rows.h"
#include "kernels/cpu/rotary.h"
#include "kernels/cpu/row_kernels.h"

namespace switchyard::kernels::cpu {

void LatentWrite(const CpuContext& cpu, const LatentWriteArgs& args) {
  CheckF32("LatentWrite", {&args.c, &args.k_pe});
  const RowKernels& kernels = RowKernelsOf(cpu.isa);
  const PagedCache cache = PagedCache::OfLatents(args.cache);
  const int64_t latent_dim = args.c.dims[1];
  const int64_t rope_dim = args.k_pe.dims[1];
  const int64_t row_bytes = (latent_dim + rope_dim) * 2 * SizeOf(DType::kF32);
  const KeyRotation& rotation = args.rotation;
  const Rotary rotary(cpu, "LatentWrite", rotation.positions, rotation.table, rotation.halves);
  ForRows(cpu, args.c.rows(), row_bytes, [&](int64_t t) {
    if (args.slots[t] == kNoSlot) return;
    const auto* c = args.c.row<const float>(t);
    auto* k_pe = args.k_pe.row<float>(t);
    if (!rotation.empty()) rotary.Turn(k_pe, rotary.Angles(t));
    std::byte* entry = cache.AtSlot(args.slots[t]);
    if (cache.dtype() == DType::kBf16) {
      auto* to = reinterpret_cast<Bf16*>(entry);
      kernels.narrow_bf16(c, to, latent_dim);
      kernels.narrow_bf16(k_pe, to + latent_dim, rope_dim);
    } else {
      auto* to = reinterpret_cast<float*>(entry);
      std::memcpy(to, c, static_cast<size_t>(latent_dim) * sizeof(float));
      std::memcpy(to + latent_dim, k_pe, static_cast<size_t>(rope_dim) * sizeof(float));
    }
  });
}

void LatentGather(const CpuContext& cpu, const LatentGatherArgs& args) {
  CheckF32("LatentGather", {&args.c, &args.k_pe});
  const RowKernels& kernels = RowKernelsOf(cpu.isa);
  const PagedCache cache = PagedCache::OfLatents(args.cache);
  const int64_t latent_dim = args.c.dims[1];
  const int64_t rope_dim = args.k_pe.dims[1];
  const int64_t row_bytes = (latent_dim + rope_dim) * 2 * SizeOf(DType::kF32);
  ForRows(cpu, args.count, row_bytes, [&](int64_t i) {
    auto* c = args.c.row<float>(i);
    auto* k_pe = args.k_pe.row<float>(i);
    const std::byte* entry = cache.AtPosition(args.table.data(), args.begin + i);
    if (cache.dtype() == DType::kBf16) {
      const auto* from = reinterpret_cast<const Bf16*>(entry);
      kernels.widen_bf16(from, c, latent_dim);
      kernels.widen_bf16(from + latent_dim, k_pe, rope_dim);
    } else {
      const auto* from = reinterpret_cast<const float*>(entry);
      std::memcpy(c, from, static_cast<size_t>(latent_dim) * sizeof(float));
      std::memcpy(k_pe, from + latent_dim, static_cast<size_t>(rope_dim) * sizeof(float));
    }
  });
}

}  // namespace switchyard::kernels::cpu
