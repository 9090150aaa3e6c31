#include "emulator/ptx/memory_access.h"

#include <bit>
#include <string>

#include "emulator/ptx/block.h"
#include "emulator/ptx/lanes.h"
#include "emulator/ptx/memory_registry.h"
#include "emulator/ptx/shared_window.h"

namespace emu {
namespace {

[[noreturn]] void FailAlignment(uint64_t address, uint32_t bytes, int lane) {
  throw Fault(FaultKind::kMisaligned, lane,
              "address " + std::to_string(address) + " of an access of " + std::to_string(bytes) +
                  " bytes");
}

// addresses[lane] for all lanes; those of inactive ones are not meaningful.
void ReadAddresses(const Warp& warp, const Op& op, uint64_t* addresses) {
  const auto offset = static_cast<uint64_t>(op.immediate);
  if (op.detail[kWideDetail]) {
    const uint64_t* slot = warp.Lanes<uint64_t>(op.slots[0]);
    for (int lane = 0; lane < kWarpSize; ++lane) addresses[lane] = slot[lane] + offset;
  } else {
    const uint32_t* slot = warp.Lanes<uint32_t>(op.slots[0]);
    for (int lane = 0; lane < kWarpSize; ++lane) addresses[lane] = slot[lane] + offset;
  }
}

void CheckAlignment(const uint64_t* addresses, LaneMask active, uint32_t bytes) {
  uint64_t any = 0;
  for (int lane = 0; lane < kWarpSize; ++lane) {
    any |= addresses[lane] & -static_cast<uint64_t>(active >> lane & 1);
  }
  if ((any & (bytes - 1)) == 0) return;
  EachLane(active, [&](int lane) {
    if ((addresses[lane] & (bytes - 1)) != 0) FailAlignment(addresses[lane], bytes, lane);
  });
}

WarpAccess Describe(Warp& warp, const Op& op, uint32_t bytes, AccessKind kind) {
  return {.warp = &warp,
          .op = &op,
          .kind = kind,
          .order = static_cast<Order>(op.detail[kOrderDetail]),
          .scope = static_cast<Scope>(op.detail[kScopeDetail]),
          .bytes = bytes};
}

// Global, or generic: then some lanes may point to shared, local or parameter memory.
void ObserveGeneric(Warp& warp, const Op& op, LaneMask active, uint32_t bytes, AccessKind kind,
                    const uint64_t* addresses) {
  WarpAccess access = Describe(warp, op, bytes, kind);
  uint64_t places[kWarpSize];
  const Block* owners[kWarpSize];
  LaneMask shared = 0, local = 0, param = 0;
  const auto params = reinterpret_cast<uint64_t>(warp.block().launch().params);
  const auto locals = reinterpret_cast<uint64_t>(warp.local(0));
  EachLane(active, [&](int lane) {
    const LaneMask bit = LaneMask{1} << lane;
    places[lane] = addresses[lane];
    if (IsSharedGeneric(addresses[lane])) {
      uint32_t offset = 0;
      warp.SharedPointer(static_cast<uint32_t>(addresses[lane] - kSharedWindow), bytes, lane,
                         &owners[lane], &offset);
      places[lane] = offset;
      shared |= bit;
    } else if (addresses[lane] - locals < uint64_t{warp.local_bytes()} * kWarpSize) {
      local |= bit;
    } else if (addresses[lane] - params < warp.kernel().param_bytes()) {
      param |= bit;
    }
  });
  access.addresses = places;
  auto report = [&](LaneMask lanes, MemorySpace space) {
    if (lanes == 0) return;
    access.lanes = lanes;
    access.space = space;
    access.owners = space == MemorySpace::kShared ? owners : nullptr;
    warp.block().observer()->OnAccess(access);
  };
  report(active & ~(shared | local | param), MemorySpace::kGlobal);
  report(shared, MemorySpace::kShared);
  report(local, MemorySpace::kLocal);
  report(param, MemorySpace::kParam);
}

bool IsContiguous(const uint64_t* addresses, uint32_t bytes) {
  uint64_t differs = 0;
  for (int lane = 0; lane < kWarpSize; ++lane) {
    differs |= addresses[lane] ^ (addresses[0] + static_cast<uint64_t>(lane) * bytes);
  }
  return differs == 0;
}

struct Modifier {
  std::string_view name;
  uint8_t value;
};

constexpr Modifier kOrders[] = {
    {"volatile", static_cast<uint8_t>(Order::kVolatile)},
    {"relaxed", static_cast<uint8_t>(Order::kRelaxed)},
    {"acquire", static_cast<uint8_t>(Order::kAcquire)},
    {"release", static_cast<uint8_t>(Order::kRelease)},
    {"acq_rel", static_cast<uint8_t>(Order::kAcqRel)},
    {"mmio", static_cast<uint8_t>(Order::kRelaxed)},
};
constexpr Modifier kScopes[] = {
    {"cta", static_cast<uint8_t>(Scope::kCta)},
    {"cluster", static_cast<uint8_t>(Scope::kCluster)},
    {"gpu", static_cast<uint8_t>(Scope::kGpu)},
    {"sys", static_cast<uint8_t>(Scope::kSys)},
};

}  // namespace

AccessMode AccessModeOf(const ParsedInstruction& instruction) {
  AccessMode mode;
  for (const Modifier& row : kOrders) {
    if (instruction.Has(row.name)) mode.order = static_cast<Order>(row.value);
  }
  for (const Modifier& row : kScopes) {
    if (instruction.Has(row.name)) mode.scope = static_cast<Scope>(row.value);
  }
  if (instruction.Has("shared") || instruction.Has("shared::cta") ||
      instruction.Has("shared::cluster")) {
    mode.space = MemorySpace::kShared;
  } else if (instruction.Has("local")) {
    mode.space = MemorySpace::kLocal;
  } else if (instruction.Has("param") || instruction.Has("param::entry") ||
             instruction.Has("param::func")) {
    mode.space = MemorySpace::kParam;
  }
  return mode;
}

void BindAddress(const Operand& operand, AccessMode mode, KernelBuilder& builder, Op* op) {
  const AddressSlot address = builder.Address(operand, mode.space);
  op->slots[0] = address.slot;
  op->immediate = address.offset;
  op->detail[kOrderDetail] = static_cast<uint8_t>(mode.order);
  op->detail[kScopeDetail] = static_cast<uint8_t>(mode.scope);
  op->detail[kWideDetail] = address.wide;
}

void ResolveGlobal(Warp& warp, const Op& op, LaneMask active, uint32_t bytes, AccessKind kind,
                   LanePointers* out) {
  uint64_t addresses[kWarpSize];
  ReadAddresses(warp, op, addresses);
  CheckAlignment(addresses, active, bytes);
  Observer* const observer = warp.block().observer();
  const bool memcheck = warp.block().launch().options->memcheck;
  const bool live = active == kAllLanes && IsContiguous(addresses, bytes) &&
                    !IsSharedGeneric(addresses[0]) &&
                    (!memcheck || IsLiveMemory(addresses[0], uint64_t{bytes} * kWarpSize));
  out->contiguous = live;
  if (live) {
    for (int lane = 0; lane < kWarpSize; ++lane) {
      out->at[lane] = reinterpret_cast<std::byte*>(addresses[lane]);
    }
  } else {
    EachLane(active,
             [&](int lane) { out->at[lane] = warp.GenericPointer(addresses[lane], bytes, lane); });
  }
  if (observer == nullptr) return;
  // Behind the bounds: a report of a race at an address that is none would mislead.
  if (live && memcheck) {
    WarpAccess access = Describe(warp, op, bytes, kind);
    access.lanes = active;
    access.space = MemorySpace::kGlobal;
    access.addresses = addresses;
    observer->OnAccess(access);
  } else {
    ObserveGeneric(warp, op, active, bytes, kind, addresses);
  }
}

void ResolveShared(Warp& warp, const Op& op, LaneMask active, uint32_t bytes, AccessKind kind,
                   LanePointers* out) {
  uint64_t addresses[kWarpSize];
  ReadAddresses(warp, op, addresses);
  const Block& block = warp.block();
  // The low 32 bits are the address, whatever the register's width.
  uint64_t misaligned = 0, outside = 0;
  const uint64_t limit = block.shared_bytes() >= bytes ? block.shared_bytes() - bytes : 0;
  for (int lane = 0; lane < kWarpSize; ++lane) {
    const uint64_t on = -static_cast<uint64_t>(active >> lane & 1);
    addresses[lane] = static_cast<uint32_t>(addresses[lane]);
    misaligned |= addresses[lane] & on & (bytes - 1);
    outside |= (limit - addresses[lane]) & on;  // negative: beyond
  }
  if (misaligned != 0) CheckAlignment(addresses, active, bytes);
  out->contiguous = false;
  if (outside >> 63 == 0 && block.shared_bytes() >= bytes && block.observer() == nullptr) {
    out->contiguous = active == kAllLanes && IsContiguous(addresses, bytes);
    std::byte* const shared = block.shared();
    for (int lane = 0; lane < kWarpSize; ++lane) out->at[lane] = shared + addresses[lane];
    return;
  }
  const Block* owners[kWarpSize];
  EachLane(active, [&](int lane) {
    uint32_t offset = 0;
    out->at[lane] = warp.SharedPointer(static_cast<uint32_t>(addresses[lane]), bytes, lane,
                                       &owners[lane], &offset);
    addresses[lane] = offset;
  });
  if (block.observer() == nullptr) return;
  WarpAccess access = Describe(warp, op, bytes, kind);
  access.lanes = active;
  access.space = MemorySpace::kShared;
  access.addresses = addresses;
  access.owners = owners;
  block.observer()->OnAccess(access);
}

void ResolveLocal(Warp& warp, const Op& op, LaneMask active, uint32_t bytes, AccessKind kind,
                  LanePointers* out) {
  uint64_t addresses[kWarpSize];
  ReadAddresses(warp, op, addresses);
  CheckAlignment(addresses, active, bytes);
  out->contiguous = false;
  EachLane(active, [&](int lane) {
    if (addresses[lane] + bytes > warp.local_bytes() || addresses[lane] + bytes < bytes) {
      throw Fault(FaultKind::kIllegalAddress, lane,
                  "local memory access at offset " + std::to_string(addresses[lane]) + " of " +
                      std::to_string(bytes) + " bytes, the thread has " +
                      std::to_string(warp.local_bytes()));
    }
    out->at[lane] = warp.local(lane) + addresses[lane];
    addresses[lane] = reinterpret_cast<uint64_t>(out->at[lane]);
  });
  Observer* const observer = warp.block().observer();
  if (observer == nullptr) return;
  WarpAccess access = Describe(warp, op, bytes, kind);
  access.lanes = active;
  access.space = MemorySpace::kLocal;
  access.addresses = addresses;
  observer->OnAccess(access);
}

}  // namespace emu
