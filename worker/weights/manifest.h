// The digests of a checkpoint's bytes: `switchyard.manifest.json` in its folder, or beside a GGUF
// file as `FILE.gguf.switchyard.manifest.json`. Loading holds what it reads against them.
//
// A tensor is cut into bands of whole rows, of kBandBytes or one row, each with a CRC-32C. A rank
// that reads a part of a tensor reads whole bands, so that it can check all that it uses: at most a
// band more at both ends of a range of rows, and whole rows where it needs some columns only.
#ifndef SWITCHYARD_WORKER_WEIGHTS_MANIFEST_H_
#define SWITCHYARD_WORKER_WEIGHTS_MANIFEST_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "base/units.h"
#include "worker/weights/checkpoint.h"
#include "worker/weights/tensor_range.h"

namespace switchyard::worker {

inline constexpr std::string_view kManifestFileName = "switchyard.manifest.json";
inline constexpr int64_t kBandBytes = kMiB;

// Rows of a band, the last of a tensor's left out.
int64_t BandRows(const TensorInfo& tensor);
// The whole bands that `range` touches.
TensorRange WidenToBands(const TensorRange& range);

struct ManifestOptions {
  int num_threads = 4;
  bool direct = true;
  std::function<void(int64_t bytes_done, int64_t bytes_total)> progress;  // may be empty
  std::function<bool()> cancelled;                                        // may be empty
};

// Immutable: any thread may read it.
class Manifest {
 public:
  static constexpr int64_t kMaxFileBytes =
      256 * kMiB;  // the 671 B parameter checkpoint's has 16 MB

  // The file of a checkpoint's manifest, whether there is one or not.
  static std::string PathFor(const Checkpoint& checkpoint);
  // Reads every byte of the checkpoint. Errors: those of ShardReader::Run.
  static absl::StatusOr<Manifest> Compute(const Checkpoint& checkpoint,
                                          const ManifestOptions& options);
  // From the checkpoint's folder. NOT_FOUND if there is none, INVALID_ARGUMENT if it is broken or
  // of another checkpoint; both say what to do.
  static absl::StatusOr<Manifest> Read(const Checkpoint& checkpoint);
  absl::Status Write(const Checkpoint& checkpoint) const;

  // DATA_LOSS, naming tensor and rows, if `bytes` of the range are not what they were. REQUIRES:
  // whole bands of a tensor of the checkpoint.
  absl::Status Verify(const TensorRange& range, const std::byte* bytes) const;

  // DATA_LOSS, naming the first file, tensor and rows whose digest is another in `found`. REQUIRES:
  // both are of this checkpoint.
  absl::Status Compare(const Checkpoint& checkpoint, const Manifest& found) const;

  // Over all tensors and their digests: names the checkpoint's contents.
  uint32_t digest() const;

 private:
  std::unordered_map<std::string, std::vector<uint32_t>> bands_;  // digests by tensor
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_MANIFEST_H_
