// How often the machine itself stands still: what no scheduler of ours can keep a gap below.
#ifndef SWITCHYARD_BENCH_SERVING_MACHINE_STALLS_H_
#define SWITCHYARD_BENCH_SERVING_MACHINE_STALLS_H_

namespace switchyard::bench {

// Of one core, per second.
struct MachineStalls {
  double over_half_ms = 0;
  double over_2_ms = 0;
};

// A thread on each core does nothing but read the clock, for two seconds.
MachineStalls MeasureStalls();

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_SERVING_MACHINE_STALLS_H_
