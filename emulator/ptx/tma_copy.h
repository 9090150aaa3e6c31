// The asynchronous operations behind cp.async.bulk and cp.reduce.async.bulk: into shared memory,
// ending at an mbarrier (BulkLoad), and out of it, ending at a bulk group (BulkStore).
//
// Owner: the gang's AsyncQueue and, for stores, the issuing thread's bulk groups. Thread: the
// gang's. Operations find their faults when they run; reports name the instruction that issued
// them.
#ifndef SWITCHYARD_EMULATOR_PTX_TMA_COPY_H_
#define SWITCHYARD_EMULATOR_PTX_TMA_COPY_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "emulator/ptx/async_queue.h"
#include "emulator/ptx/block.h"
#include "emulator/ptx/mbarrier.h"
#include "emulator/ptx/tensor_address.h"
#include "emulator/ptx/tma_box.h"
#include "emulator/ptx/tma_reduce.h"

namespace emu {

// The global end of a copy: a box of a tensor, or consecutive bytes.
struct GlobalSide {
  bool is_box = false;
  TensorMap map;
  BoxCoordinates at;
  uint64_t address = 0;  // consecutive bytes
  uint32_t bytes = 0;    // in shared memory; of a box, all of it

  void Gather(std::byte* image) const;
  void Scatter(const std::byte* image) const;
  void Reduce(BulkReduction reduction, TensorType type, const std::byte* image) const;
  // visit(address, bytes) for every piece of global memory that it touches.
  template <class Visit>
  void ForEachRange(Visit visit) const {
    if (!is_box) return visit(address, bytes);
    const BoxRows rows(map, at);
    for (uint32_t i = 0; i < rows.num_rows(); ++i) {
      const BoxRow row = rows.row(i);
      if (row.body != 0) visit(row.address, row.body);
    }
  }
};

// Which thread's which instruction issued an operation.
struct BulkIssuer {
  Warp* warp = nullptr;
  int lane = 0;
  const Op* op = nullptr;

  std::string Where() const;
};

class BulkOperation : public AsyncOp {
 protected:
  explicit BulkOperation(const BulkIssuer& issuer) : issuer_(issuer) {}
  Observer* observer() const { return issuer_.warp->block().observer(); }
  void CheckGlobal(const GlobalSide& side) const;
  void Announce(AsyncId id, AccessKind kind, const GlobalSide& side) const;
  void Announce(AsyncId id, AccessKind kind, const SharedPiece& piece, uint32_t bytes,
                Proxy proxy = Proxy::kAsync) const;
  AsyncId Issue() const;
  // Runs `work`; a Fault from it names the issuer.
  template <class Work>
  void Guarded(Work work) {
    try {
      work();
    } catch (Fault& fault) {
      if (fault.where().empty()) fault.set_where(issuer_.Where());
      throw;
    }
  }

  BulkIssuer issuer_;
  std::vector<std::byte> image_;
};

class BulkLoad : public BulkOperation {
 public:
  struct Target {
    SharedPiece to;
    SharedPiece mbarrier;
  };
  // From global memory.
  BulkLoad(const BulkIssuer& issuer, const GlobalSide& from, std::vector<Target> targets);
  // From the issuing block's shared memory; reduction may be kNone.
  BulkLoad(const BulkIssuer& issuer, const SharedPiece& from, uint32_t bytes,
           std::vector<Target> targets, BulkReduction reduction, TensorType type);
  // From registers (st.async, red.async): the generic proxy writes `values`.
  BulkLoad(const BulkIssuer& issuer, std::vector<std::byte> values, const Target& target,
           BulkReduction reduction, TensorType type);

 private:
  void Perform() override;
  void Read();
  void Write(const Target& target);

  enum class Source : uint8_t { kGlobal, kShared, kRegisters };
  Source source_ = Source::kGlobal;
  GlobalSide from_;
  SharedPiece shared_from_;
  std::vector<Target> targets_;
  BulkReduction reduction_ = BulkReduction::kNone;
  TensorType type_ = TensorType::kU8;
  AsyncId id_ = 0;
};

class BulkStore : public BulkOperation {
 public:
  // reduction: kNone to store.
  BulkStore(const BulkIssuer& issuer, const SharedPiece& from, const GlobalSide& to,
            BulkReduction reduction, TensorType type);

  // What wait_group.read forces: the source has been read, and may be overwritten.
  void FinishReading();
  // The issuing lane has waited for the reading, or for all of it.
  void WaitedForReading();
  void Waited();

 private:
  void Perform() override;

  SharedPiece from_;
  GlobalSide to_;
  BulkReduction reduction_;
  TensorType type_;
  bool has_read_ = false;
  bool waited_for_reading_ = false;
  AsyncId read_id_ = 0;
  AsyncId write_id_ = 0;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_TMA_COPY_H_
