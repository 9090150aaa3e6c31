// One kernel, bound: its instructions over register slots, and what a launch must set up. Immutable
// after Module::Parse; shared by all launches.
#ifndef SWITCHYARD_EMULATOR_PTX_KERNEL_H_
#define SWITCHYARD_EMULATOR_PTX_KERNEL_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/ptx/op.h"

namespace emu {

struct Param {
  uint32_t offset = 0;  // bytes, in the parameter block
  uint32_t size = 0;
};

enum class SpecialRegister : uint8_t {
  kTidX,
  kTidY,
  kTidZ,
  kNtidX,
  kNtidY,
  kNtidZ,
  kCtaidX,
  kCtaidY,
  kCtaidZ,
  kNctaidX,
  kNctaidY,
  kNctaidZ,
  kLaneId,
  kWarpId,
  kNwarpId,
  kSmId,
  kNsmId,
  kGridId,
  kLanemaskEq,
  kLanemaskLt,
  kLanemaskLe,
  kLanemaskGt,
  kLanemaskGe,
  kClusterIdX,
  kClusterIdY,
  kClusterIdZ,
  kNclusterIdX,
  kNclusterIdY,
  kNclusterIdZ,
  kClusterCtaidX,
  kClusterCtaidY,
  kClusterCtaidZ,
  kClusterNctaidX,
  kClusterNctaidY,
  kClusterNctaidZ,
  kClusterCtarank,
  kClusterNctarank,
  kIsExplicitCluster,
  kDynamicSharedSize,
  kTotalSharedSize,
  kEnvReg1,        // the workspace of grid.sync, high half
  kEnvReg2,        // and low
  kReservedBegin,  // the shared memory that cooperative groups takes for itself: its offset
  kReservedEnd,
  kReservedBytes,
};

// A register that holds one value in all lanes for ever: an immediate or an address.
struct Splat {
  int32_t slot = 0;
  uint64_t bits = 0;
  bool wide = false;            // a 64-bit register
  bool in_param_block = false;  // `bits` is an offset in the launch's parameters
};

struct SpecialSlot {
  int32_t slot = 0;  // 32 bits per lane
  SpecialRegister which = SpecialRegister::kTidX;
};

// A register that is zero in all lanes at the start.
struct Scratch {
  int32_t slot = 0;
  uint32_t bytes = 0;
};

// Three sides that a kernel demands of its launches; 0 in x: it demands none.
struct Shape3 {
  uint32_t x = 0, y = 0, z = 0;
};

class Kernel {
 public:
  const std::string& name() const { return name_; }
  std::span<const Param> params() const { return params_; }
  uint32_t param_bytes() const { return param_bytes_; }
  // Dynamic shared memory begins here; aligned as the program's extern array asks.
  uint32_t static_shared_bytes() const { return static_shared_bytes_; }
  uint32_t local_bytes() const { return local_bytes_; }  // per thread
  // Whether it names the shared memory that is reserved for the system.
  bool uses_reserved_shared() const;
  // An estimate: 32-bit registers that ptxas might use. For cudaFuncAttributes.
  uint32_t num_registers() const { return num_registers_; }
  // Of a block: .maxntid or .reqntid; 0: not given.
  uint32_t max_threads() const { return max_threads_; }
  Shape3 required_block() const { return required_block_; }      // .reqntid, threads
  Shape3 required_cluster() const { return required_cluster_; }  // .reqnctapercluster, blocks

  std::span<const Op> ops() const { return ops_; }
  uint32_t register_bytes() const { return register_bytes_; }  // per warp
  std::span<const Splat> splats() const { return splats_; }
  std::span<const SpecialSlot> specials() const { return specials_; }
  std::span<const Scratch> scratch() const { return scratch_; }
  const std::vector<std::string>& mnemonics() const { return mnemonics_; }
  std::string_view LineText(uint32_t line) const;  // of the module's text, trimmed

 private:
  friend class KernelBinder;

  std::string name_;
  std::vector<Param> params_;
  uint32_t param_bytes_ = 0;
  uint32_t static_shared_bytes_ = 0;
  uint32_t local_bytes_ = 0;
  uint32_t num_registers_ = 0;
  uint32_t max_threads_ = 0;
  Shape3 required_block_;
  Shape3 required_cluster_;

  std::vector<Op> ops_;
  uint32_t register_bytes_ = 0;
  std::vector<Splat> splats_;
  std::vector<SpecialSlot> specials_;
  std::vector<Scratch> scratch_;
  std::vector<std::unique_ptr<OpExtra>> extras_;
  std::vector<std::string> mnemonics_;
  std::string_view text_;  // the module's
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_KERNEL_H_
