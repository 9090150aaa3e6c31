// What a loading worker's progress says to people.
#ifndef SWITCHYARD_PROTO_LOAD_PROGRESS_H_
#define SWITCHYARD_PROTO_LOAD_PROGRESS_H_

#include <optional>

#include "proto/worker.pb.h"

namespace switchyard {

// The phase is one of bytes on their way: they have a rate, and an end.
inline bool MovesBytes(const v1::LoadProgress& progress) {
  switch (progress.phase()) {
    case v1::LOAD_PHASE_LOADING_WEIGHTS:
    case v1::LOAD_PHASE_RESTORING_WEIGHTS:
    case v1::LOAD_PHASE_KEEPING_WEIGHTS:
      return true;
    default:
      return false;
  }
}

// Until the phase is through at its pace; nothing while that is not known.
inline std::optional<double> SecondsLeft(const v1::LoadProgress& progress) {
  if (progress.bytes_done() >= progress.bytes_total()) return std::nullopt;
  if (progress.bytes_per_second() <= 0) return std::nullopt;
  return static_cast<double>(progress.bytes_total() - progress.bytes_done()) /
         progress.bytes_per_second();
}

}  // namespace switchyard

#endif  // SWITCHYARD_PROTO_LOAD_PROGRESS_H_
