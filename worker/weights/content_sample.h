// A digest of some of a checkpoint's bytes: tells another checkpoint of the same names, sizes and
// times from the one that was there, as where files are copied with their times or images give all
// files one. Costs a few hundred small reads, however large the checkpoint is.
//
// Of each kind of tensors, those whose names differ in numbers alone, a few are looked at, evenly
// over their names, at 4 KiB in the middle of each: training changes most values of whatever it
// touches. It does not find single bits: that is what a manifest is for (manifest.h).
#ifndef SWITCHYARD_WORKER_WEIGHTS_CONTENT_SAMPLE_H_
#define SWITCHYARD_WORKER_WEIGHTS_CONTENT_SAMPLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "worker/weights/checkpoint.h"
#include "worker/weights/shard_reader.h"

namespace switchyard::worker {

inline constexpr int64_t kSampleBytes = 4096;  // of one tensor
inline constexpr int64_t kSamplesOfKind = 8;

// Places of the checkpoint's files, each as a tensor of bytes with the name of the one that it is
// of. Pure. In an order that the names decide.
std::vector<TensorInfo> ChooseSample(const Checkpoint& checkpoint);

// SHA-256, in hexadecimal digits, of what lies there. Errors: those of ShardReader::Run.
absl::StatusOr<std::string> DigestOfSample(const Checkpoint& checkpoint,
                                           const std::vector<TensorInfo>& places,
                                           const ShardReaderOptions& options);

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_CONTENT_SAMPLE_H_
