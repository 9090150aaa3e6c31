// What a GPU can do at the most.
#ifndef SWITCHYARD_BENCH_BOUNDS_GPU_H_
#define SWITCHYARD_BENCH_BOUNDS_GPU_H_

namespace switchyard::bench {

// Peaks of data sheets (SXM), dense.
struct Gpu {
  const char* name;
  double fp8_flops;
  double bf16_flops;
  double memory_bytes_per_s;
  double network_bytes_per_s;  // one direction of its network card
};
inline constexpr Gpu kH100{"H100", 1979e12, 989e12, 3.35e12, 50e9};
inline constexpr Gpu kH200{"H200", 1979e12, 989e12, 4.8e12, 50e9};

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_BOUNDS_GPU_H_
