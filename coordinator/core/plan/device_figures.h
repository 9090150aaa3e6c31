// What devices can do at the most, and where each number comes from.
#ifndef SWITCHYARD_COORDINATOR_CORE_PLAN_DEVICE_FIGURES_H_
#define SWITCHYARD_COORDINATOR_CORE_PLAN_DEVICE_FIGURES_H_

#include <array>
#include <string_view>

#include "coordinator/core/plan/packed_linear.h"

namespace switchyard::core {

enum class FigureSource { kDataSheet, kMeasured, kAssumed };

constexpr std::string_view Name(FigureSource source) {
  switch (source) {
    case FigureSource::kDataSheet:
      return "data sheet";
    case FigureSource::kMeasured:
      return "measured";
    case FigureSource::kAssumed:
      return "assumed";
  }
  return "";
}

struct Figure {
  double value = 0;
  FigureSource source = FigureSource::kDataSheet;
};

// One device: a GPU (SXM), or what one CPU worker gets of its host. Peaks of dense products.
struct DeviceFigures {
  std::string_view name;  // as `switchyard plan --gpu` takes it
  BackendKind backend = BackendKind::kCuda;
  Figure memory_bytes;
  Figure fp8_flops;  // per second; 0: FP8 runs at the BF16 rate
  Figure bf16_flops;
  Figure memory_bytes_per_s;
  Figure link_bytes_per_s;     // one direction, to the devices of its host together
  Figure network_bytes_per_s;  // one direction, its part of the host's network cards
};

inline constexpr double kGib = 1024.0 * 1024 * 1024;

// 400 Gb/s beside each GPU.
inline constexpr Figure kAssumedNetwork{50e9, FigureSource::kAssumed};

inline constexpr DeviceFigures kH100{.name = "h100",
                                     .memory_bytes = {80 * kGib},
                                     .fp8_flops = {1979e12},
                                     .bf16_flops = {989e12},
                                     .memory_bytes_per_s = {3.35e12},
                                     .link_bytes_per_s = {450e9},
                                     .network_bytes_per_s = kAssumedNetwork};
inline constexpr DeviceFigures kH200{.name = "h200",
                                     .memory_bytes = {141e9},
                                     .fp8_flops = {1979e12},
                                     .bf16_flops = {989e12},
                                     .memory_bytes_per_s = {4.8e12},
                                     .link_bytes_per_s = {450e9},
                                     .network_bytes_per_s = kAssumedNetwork};
inline constexpr DeviceFigures kH800{.name = "h800",
                                     .memory_bytes = {80 * kGib},
                                     .fp8_flops = {1979e12},
                                     .bf16_flops = {989e12},
                                     .memory_bytes_per_s = {3.35e12},
                                     .link_bytes_per_s = {200e9},
                                     .network_bytes_per_s = kAssumedNetwork};
inline constexpr DeviceFigures kB200{.name = "b200",
                                     .memory_bytes = {180e9},
                                     .fp8_flops = {4500e12},
                                     .bf16_flops = {2250e12},
                                     .memory_bytes_per_s = {8e12},
                                     .link_bytes_per_s = {900e9},
                                     .network_bytes_per_s = kAssumedNetwork};
// A socket of a server, eight of whose memory channels and 64 of whose cores are the worker's.
inline constexpr DeviceFigures kCpu{.name = "cpu",
                                    .backend = BackendKind::kCpu,
                                    .memory_bytes = {512 * kGib, FigureSource::kAssumed},
                                    .fp8_flops = {0, FigureSource::kAssumed},
                                    .bf16_flops = {10e12, FigureSource::kAssumed},
                                    .memory_bytes_per_s = {300e9, FigureSource::kAssumed},
                                    .link_bytes_per_s = {50e9, FigureSource::kAssumed},
                                    .network_bytes_per_s = {12.5e9, FigureSource::kAssumed}};

inline constexpr std::array kKnownDevices{kH100, kH200, kH800, kB200, kCpu};

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_PLAN_DEVICE_FIGURES_H_
