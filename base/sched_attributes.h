// The system's calls about how a thread is scheduled, for which Debian 12's C library has no
// wrappers (sched_setattr(2)).
#ifndef SWITCHYARD_BASE_SCHED_ATTRIBUTES_H_
#define SWITCHYARD_BASE_SCHED_ATTRIBUTES_H_

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace switchyard {

// As sched_getattr and sched_setattr have it, first version.
struct SchedAttributes {
  uint32_t size = sizeof(SchedAttributes);
  uint32_t policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0;  // nanoseconds: of ordinary threads the slice; 0: the system knows none
  uint64_t deadline = 0;
  uint64_t period = 0;
};

// Both of the calling thread, and reading of another one by its id; false where the system refuses.
inline bool GetSchedAttributes(SchedAttributes* attributes, pid_t thread = 0) {
  return syscall(SYS_sched_getattr, thread, attributes, sizeof(*attributes), 0) == 0;
}
inline bool SetSchedAttributes(SchedAttributes& attributes) {
  return syscall(SYS_sched_setattr, 0, &attributes, 0) == 0;
}

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_SCHED_ATTRIBUTES_H_
