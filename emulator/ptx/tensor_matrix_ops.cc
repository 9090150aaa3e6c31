// ldmatrix and stmatrix: lanes 8 q to 8 q + 7 give the row addresses of matrix q, register q of all
// lanes holds it.
#include <array>
#include <cstring>
#include <string>

#include "emulator/ptx/instruction_families.h"
#include "emulator/ptx/instruction_table.h"
#include "emulator/ptx/kernel_builder.h"
#include "emulator/ptx/tensor_address.h"
#include "emulator/ptx/tensor_matrix.h"
#include "emulator/ptx/warp.h"

namespace emu {
namespace {

constexpr int kMaxMatrices = 4;

// Op: slots[0..3] the registers, slots[4] the address, immediate its offset.
enum Detail { kCount, kTransposed, kWide };

struct Rows {
  std::array<std::byte*, kWarpSize> pointers;
};

// The row addresses of the first `count` matrices, checked, and told to the observer.
Rows LocateRows(Warp& warp, const Op& op, AccessKind kind) {
  Rows rows;
  const AddressSlot operand{op.slots[4], op.detail[kWide] != 0, op.immediate};
  uint64_t offsets[kWarpSize] = {};
  const Block* owners[kWarpSize] = {};
  const int num_rows = op.detail[kCount] * kMatrixRows;
  for (int lane = 0; lane < num_rows; ++lane) {
    const SharedPiece row = FindShared(warp, SharedAddress(warp, operand, lane), kMatrixRowBytes,
                                       kMatrixRowBytes, lane, "a matrix row");
    rows.pointers[lane] = row.pointer;
    owners[lane] = row.owner;
    offsets[lane] = row.offset;
  }
  if (Observer* observer = warp.block().observer(); observer != nullptr) {
    WarpAccess access;
    access.warp = &warp;
    access.op = &op;
    access.lanes = num_rows == kWarpSize ? kAllLanes : (LaneMask{1} << num_rows) - 1;
    access.kind = kind;
    access.space = MemorySpace::kShared;
    access.bytes = kMatrixRowBytes;
    access.addresses = offsets;
    access.owners = owners;
    observer->OnAccess(access);
  }
  return rows;
}

bool Ready(const Warp& warp, LaneMask active) {
  if (!warp.AllPresent(active)) return false;
  if (active == kAllLanes) return true;
  throw Fault(FaultKind::kIllegalOperation, "a matrix move in a warp of which lanes have exited");
}

Step ExecuteLdmatrix(Warp& warp, const Op& op, LaneMask active) {
  if (!Ready(warp, active)) return Step::kRetry;
  const Rows rows = LocateRows(warp, op, AccessKind::kLoad);
  std::array<Matrix, kMaxMatrices> matrices;
  for (int q = 0; q < op.detail[kCount]; ++q) {
    for (int row = 0; row < kMatrixRows; ++row) {
      std::memcpy(matrices[q].values[row], rows.pointers[q * kMatrixRows + row], kMatrixRowBytes);
    }
  }
  for (int q = 0; q < op.detail[kCount]; ++q) {
    MatrixToLanes(matrices[q], op.detail[kTransposed] != 0, warp.Lanes<uint32_t>(op.slots[q]));
  }
  return Step::kNext;
}

Step ExecuteStmatrix(Warp& warp, const Op& op, LaneMask active) {
  if (!Ready(warp, active)) return Step::kRetry;
  const Rows rows = LocateRows(warp, op, AccessKind::kStore);
  for (int q = 0; q < op.detail[kCount]; ++q) {
    Matrix matrix;
    LanesToMatrix(warp.Lanes<uint32_t>(op.slots[q]), op.detail[kTransposed] != 0, &matrix);
    for (int row = 0; row < kMatrixRows; ++row) {
      std::memcpy(rows.pointers[q * kMatrixRows + row], matrix.values[row], kMatrixRowBytes);
    }
  }
  return Step::kNext;
}

// {ld,st}matrix.sync.aligned.m8n8.xN[.trans][.shared[::cta]].b16; the assembler takes the shape and
// the modifiers in any order.
Op BindMatrix(const ParsedInstruction& instruction, KernelBuilder& builder, bool load) {
  const auto& parts = instruction.parts;
  Op op;
  bool known = parts.size() >= 6 && parts[1] == "sync" && parts[2] == "aligned" &&
               parts.back() == "b16" && instruction.operands.size() == 2 && instruction.Has("m8n8");
  for (size_t i = 3; known && i + 1 < parts.size(); ++i) {
    if (parts[i] == "x1" || parts[i] == "x2" || parts[i] == "x4") {
      op.detail[kCount] = static_cast<uint8_t>(parts[i][1] - '0');
    } else if (parts[i] == "trans") {
      op.detail[kTransposed] = 1;
    } else {
      known = parts[i] == "m8n8" || parts[i] == "shared" || parts[i] == "shared::cta";
    }
  }
  if (!known || op.detail[kCount] == 0) builder.Fail(instruction, "unknown form of a matrix move");
  const Operand& vector = instruction.operands[load ? 0 : 1];
  if (vector.kind != Operand::Kind::kVector || vector.elements.size() != op.detail[kCount]) {
    builder.Fail(instruction, "expected as many registers as matrices");
  }
  for (size_t i = 0; i < vector.elements.size(); ++i) {
    op.slots[i] =
        load ? builder.Destination(vector.elements[i], 32) : builder.Source32(vector.elements[i]);
  }
  const AddressSlot address =
      builder.Address(instruction.operands[load ? 1 : 0], MemorySpace::kShared);
  op.slots[4] = address.slot;
  op.detail[kWide] = address.wide ? 1 : 0;
  op.immediate = address.offset;
  op.execute = load ? ExecuteLdmatrix : ExecuteStmatrix;
  return op;
}

Op BindLdmatrix(const ParsedInstruction& instruction, KernelBuilder& builder) {
  return BindMatrix(instruction, builder, /*load=*/true);
}

Op BindStmatrix(const ParsedInstruction& instruction, KernelBuilder& builder) {
  return BindMatrix(instruction, builder, /*load=*/false);
}

}  // namespace

void RegisterMatrixOps(InstructionTable& table) {
  table.Add("ldmatrix", BindLdmatrix);
  table.Add("stmatrix", BindStmatrix);
}

}  // namespace emu
