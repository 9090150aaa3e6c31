// The packed form of a rank's weights on disk, so that the next start need not pack them again
// (`--packed-cache DIR`). One file for each model's name, backend, layout and rank, written over
// when it no longer fits; its key says all that decides the bytes. What does not fit to the letter
// is not used.
//
// The key has, of the checkpoint: names, sizes and times of change of its files, a digest of their
// headers, one of a sample of their bytes (content_sample.h), and one of the manifest that lies
// beside them. So it costs no read of the weights. Who changes a few bytes behind a file's back,
// with its time of change kept and no new manifest, is not found out, but with `--verify`: then
// what is used must have been held against the manifest of today when it was packed.
//
// All bytes that are used are held against the digests that were written with them, each time.
#ifndef SWITCHYARD_WORKER_WEIGHTS_PACKED_CACHE_H_
#define SWITCHYARD_WORKER_WEIGHTS_PACKED_CACHE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "kernels/device.h"
#include "worker/weights/checkpoint.h"
#include "worker/weights/load_pipeline.h"
#include "worker/weights/mapped_file.h"
#include "worker/weights/packed_file.h"

namespace switchyard::worker {

struct PackedCacheOptions {
  std::string folder;  // made if it is missing; empty: there is no cache
  std::string rank;    // the layout and this rank's place in it, as "dp2-tp1-rank0"
};

class PackedCache {
 public:
  // What decides the bytes beside the checkpoint.
  struct Subject {
    std::string packed_form;             // Ops::packed_form
    std::string compute;                 // "bf16"
    std::string weights;                 // "stored", "q8", "q4"
    std::string int4;                    // how 4-bit weights are stored, in words
    std::span<const std::string> forms;  // of all weights, in order
    std::optional<uint32_t> manifest;    // digest; set: bytes must be verified
  };
  // UNAVAILABLE or NOT_FOUND: the checkpoint's files cannot be looked at. Other errors: those of
  // ShardReader::Run, which reads some of their bytes as `reader` says.
  static absl::StatusOr<PackedCache> Create(const PackedCacheOptions& options,
                                            const Checkpoint& checkpoint, const Subject& subject,
                                            const ShardReaderOptions& reader = {});

  const std::string& path() const { return path_; }

  // How weights come back.
  struct RestoreOptions {
    ShardReaderOptions reader;
    // Whether the device may use them where the file is mapped.
    bool in_place = true;
  };
  // Memory of `device` with the weights' bytes, one buffer for each form. NOT_FOUND: there is
  // no file. FAILED_PRECONDITION: it is another one's, and says in which way. INVALID_ARGUMENT,
  // DATA_LOSS: it is damaged. CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE: see ShardReader::Run.
  absl::StatusOr<std::vector<kernels::Buffer>> Restore(kernels::Device& device,
                                                       const RestoreOptions& options,
                                                       PipelineFigures* figures) const;

  // Writes the file. What fails leaves the one that was there, or none.
  absl::Status Keep(
      kernels::Device& device, std::span<const kernels::Buffer* const> weights,
      const std::function<absl::Status(int64_t bytes_done, int64_t bytes_total)>& progress) const;

 private:
  PackedCache() = default;
  absl::StatusOr<PackedHeader> ReadHeader(const PosixFile& file) const;

  std::string path_;
  std::string key_;
  size_t num_weights_ = 0;
  std::optional<uint32_t> manifest_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_PACKED_CACHE_H_
