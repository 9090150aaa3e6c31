#include "cli/manifest_command.h"

#include <optional>

#include "cli/progress_bar.h"
#include "worker/weights/manifest.h"

namespace switchyard::cli {

using worker::Checkpoint;
using worker::Manifest;

absl::Status RunManifest(const ManifestCommandOptions& options) {
  SY_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Open(options.model_folder));
  std::optional<Manifest> written;
  if (options.check) {
    SY_ASSIGN_OR_RETURN(written, Manifest::Read(checkpoint));
  }
  ProgressBar bar(options.check ? "checking" : "digesting", checkpoint.num_bytes());
  SY_ASSIGN_OR_RETURN(
      const Manifest found,
      Manifest::Compute(checkpoint,
                        {.num_threads = options.num_threads,
                         .progress = [&](int64_t done, int64_t) { bar.Set(done); },
                         .cancelled = [&] { return options.cancel && *options.cancel; }}));
  return written ? written->Compare(checkpoint, found) : found.Write(checkpoint);
}

}  // namespace switchyard::cli
