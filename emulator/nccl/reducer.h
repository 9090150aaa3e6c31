// AllReduce, Reduce and ReduceScatter: parts of the data, a chunk at a time, meet at the rank that
// reduces them, which combines them in rank order.
//
// Owner: the operation that runs. Thread: its thread.
#ifndef SWITCHYARD_EMULATOR_NCCL_REDUCER_H_
#define SWITCHYARD_EMULATOR_NCCL_REDUCER_H_

#include <cstddef>
#include <vector>

#include "emulator/nccl/communicator.h"
#include "emulator/nccl/operation.h"

namespace emu {

class Reducer {
 public:
  // REQUIRES: an operation that reduces, with elements.
  Reducer(Communicator* comm, const Operation& operation, const MessageTag& tag);

  // Returns early when the communicator ends.
  void Run();

 private:
  // Elements of this rank's input that one rank reduces.
  struct Part {
    size_t begin = 0;
    size_t count = 0;
  };

  void AllReduce();
  void Reduce();
  void ReduceScatter();

  // Sends parts[p] of the input to every rank p and combines what all ranks have of parts[rank]
  // into `target`. False when the communicator has ended.
  bool Meet(const std::vector<Part>& parts, std::byte* target);
  // Hands result part p, which rank p holds in `receive_`, to all ranks.
  bool Distribute(const std::vector<Part>& parts);

  // The input's elements as they are combined: scaled, in a copy, where the reduction says so.
  const std::byte* Input(const Part& part, std::vector<std::byte>* scratch) const;
  size_t ChunkElements() const;

  Communicator* const comm_;
  const Operation& operation_;
  const MessageTag tag_;
  const size_t element_bytes_;
  const ReductionSteps steps_;
  const std::byte* const send_;
  std::byte* const receive_;
  std::vector<std::vector<std::byte>> received_;  // [num_ranks], by source
  std::vector<std::vector<std::byte>> scaled_;    // [num_ranks], by destination
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_NCCL_REDUCER_H_
