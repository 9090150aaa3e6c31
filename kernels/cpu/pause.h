// What a thread does while it waits in a loop.
#ifndef SWITCHYARD_KERNELS_CPU_PAUSE_H_
#define SWITCHYARD_KERNELS_CPU_PAUSE_H_

namespace switchyard::kernels::cpu {

// For loops that wait: leaves the core to its other thread for some cycles.
inline void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_PAUSE_H_
