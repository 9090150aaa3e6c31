// Ops that were issued once, to be issued again at once: on GPUs a CUDA graph, whose launch costs
// the host as much as a few ops.
#ifndef SWITCHYARD_KERNELS_RECORDING_H_
#define SWITCHYARD_KERNELS_RECORDING_H_

namespace switchyard::kernels {

class Recording {
 public:
  virtual ~Recording() = default;

  // Issues the ops again, on the same device memory. Host arrays that the ops were given
  // (positions, tables, ids) are read anew, where they lay and as long as they were. False, and
  // nothing is issued, where they hold something that the recorded launches have no room for, where
  // ops between have moved working memory, or where the arrays were more from the first than a
  // recording keeps; then the recording is of no use any more.
  virtual bool Replay() = 0;
};

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_RECORDING_H_
