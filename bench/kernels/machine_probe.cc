#include "bench/kernels/machine_probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>

#include "kernels/cpu/cpu_context.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace switchyard::bench {
namespace {

using kernels::cpu::Isa;

// Trials are shorter than a scheduler's time slice, so that some of them run undisturbed.
constexpr int64_t kReadBytes = int64_t{256} << 20;
constexpr int64_t kTrialBytes = int64_t{16} << 20;
constexpr int64_t kSteps = 1 << 14;  // of the arithmetic loops
constexpr int kChains = 16;          // independent sums: more than the latency of an instruction

#if defined(__x86_64__)
__attribute__((target("avx512f"))) void ReadAvx512(const std::byte* from, int64_t bytes) {
  __m512i sum[4] = {};
  for (int64_t i = 0; i < bytes; i += 256) {
    for (int j = 0; j < 4; ++j) {
      sum[j] = _mm512_or_si512(sum[j], _mm512_load_si512(from + i + 64 * j));
    }
  }
  const __m512i all =
      _mm512_or_si512(_mm512_or_si512(sum[0], sum[1]), _mm512_or_si512(sum[2], sum[3]));
  asm volatile("" : : "v"(all));
}

__attribute__((target("avx512f,avx512bf16"))) void MultiplyBf16() {
  __m512 sums[kChains] = {};
  const auto ones = reinterpret_cast<__m512bh>(_mm512_set1_epi16(0x3f80));
  for (int64_t i = 0; i < kSteps; ++i) {
#pragma GCC unroll 16
    for (__m512& sum : sums) {
      sum = _mm512_dpbf16_ps(sum, ones, ones);
      asm volatile("" : "+v"(sum));
    }
  }
}

__attribute__((target("avx512f"))) void MultiplyF32Avx512() {
  __m512 sums[kChains] = {};
  const __m512 ones = _mm512_set1_ps(1);
  for (int64_t i = 0; i < kSteps; ++i) {
#pragma GCC unroll 16
    for (__m512& sum : sums) {
      sum = _mm512_fmadd_ps(ones, ones, sum);
      asm volatile("" : "+v"(sum));
    }
  }
}

__attribute__((target("avx2,fma"))) void MultiplyF32Avx2() {
  constexpr int kChains256 = 12;  // of 16 registers
  __m256 sums[kChains256] = {};
  const __m256 ones = _mm256_set1_ps(1);
  for (int64_t i = 0; i < kSteps; ++i) {
#pragma GCC unroll 16
    for (__m256& sum : sums) {
      sum = _mm256_fmadd_ps(ones, ones, sum);
      asm volatile("" : "+v"(sum));
    }
  }
}
constexpr double kFlopsAvx2 = 2.0 * 8 * 12 * kSteps;
#endif
constexpr double kFlopsF32 = 2.0 * 16 * kChains * kSteps;
constexpr double kFlopsBf16 = 2 * kFlopsF32;

void ReadPlain(const std::byte* from, int64_t bytes) {
  int64_t sum[4] = {};
  for (int64_t i = 0; i < bytes; i += sizeof(sum)) {
    int64_t words[4];
    memcpy(words, from + i, sizeof(words));
    for (int j = 0; j < 4; ++j) sum[j] |= words[j];
  }
  asm volatile("" : : "r"(sum[0] | sum[1] | sum[2] | sum[3]));
}

// The fastest of some trials: what the machine can do when nobody else wants it.
template <typename Trial>
double LeastSeconds(kernels::cpu::ThreadPool& pool, Trial trial) {
  constexpr int kTrials = 48;
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kTrials; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    pool.Run([&](int thread) { trial(thread, i); });
    const auto end = std::chrono::steady_clock::now();
    least = std::min(least, std::chrono::duration<double>(end - begin).count());
  }
  return least;
}

}  // namespace

std::string MachineLimits::ToString() const {
  return fmt::format("{:.1f} GB/s read, {:.0f} GFLOP/s bf16, {:.0f} GFLOP/s f32",
                     read_bytes_per_s / 1e9, bf16_flops / 1e9, f32_flops / 1e9);
}

MachineProbe::MachineProbe(kernels::cpu::ThreadPool& pool) : pool_(pool), memory_(kReadBytes) {
  memset(memory_.data(), 1, kReadBytes);  // pages that were never written are all one page
}

double MachineProbe::ReadBytesPerSecond() const {
  const int64_t share = kTrialBytes / pool_.num_threads() / 4096 * 4096;
  const auto* memory = static_cast<const std::byte*>(memory_.data());
  auto read = ReadPlain;
#if defined(__x86_64__)
  if (kernels::cpu::BestIsa() >= Isa::kAvx512) read = ReadAvx512;
#endif
  const double seconds = LeastSeconds(pool_, [=](int thread, int trial) {
    read(memory + trial * kTrialBytes % kReadBytes + thread * share, share);
  });
  return static_cast<double>(share * pool_.num_threads()) / seconds;
}

double MachineProbe::NewBytesPerSecond() const {
  constexpr int64_t kBytes = int64_t{512} << 20;
  const kernels::cpu::HugePages memory(kBytes);
  auto* const bytes = static_cast<volatile std::byte*>(memory.data());
  const auto begin = std::chrono::steady_clock::now();
  pool_.ForEach(kBytes / kernels::cpu::kHugePageBytes, 1, [&](int64_t page) {
    for (int64_t i = 0; i < kernels::cpu::kHugePageBytes; i += 4096) {
      bytes[page * kernels::cpu::kHugePageBytes + i] = std::byte{1};
    }
  });
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  return static_cast<double>(kBytes) / seconds.count();
}

MachineLimits MachineProbe::Measure() const {
  MachineLimits limits{.read_bytes_per_s = ReadBytesPerSecond()};
#if defined(__x86_64__)
  const int threads = pool_.num_threads();
  const auto flops = [&](void (*work)(), double per_thread) {
    return per_thread * threads / LeastSeconds(pool_, [=](int, int) { work(); });
  };
  const Isa isa = kernels::cpu::BestIsa();
  if (isa == Isa::kAvx512Bf16) {
    limits.f32_flops = flops(MultiplyF32Avx512, kFlopsF32);
    limits.bf16_flops = flops(MultiplyBf16, kFlopsBf16);
  } else if (isa == Isa::kAvx512) {
    limits.f32_flops = limits.bf16_flops = flops(MultiplyF32Avx512, kFlopsF32);
  } else if (isa == Isa::kAvx2) {
    limits.f32_flops = limits.bf16_flops = flops(MultiplyF32Avx2, kFlopsAvx2);
  }
#endif
  return limits;
}

}  // namespace switchyard::bench
