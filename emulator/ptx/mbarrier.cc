#include "emulator/ptx/mbarrier.h"

#include <cstring>
#include <string>

#include "emulator/ptx/fault.h"

namespace emu {
namespace {

constexpr uint64_t kCountMask = (1u << 20) - 1;
constexpr uint64_t kTransactionMask = (1u << 21) - 1;
constexpr int kPendingShift = 20;
constexpr int kTransactionShift = 40;
constexpr int kParityShift = 61;
constexpr int kValidShift = 62;

[[noreturn]] void Misuse(const std::string& message) {
  throw Fault(FaultKind::kIllegalOperation, "mbarrier: " + message);
}

}  // namespace

struct Mbarrier::Fields {
  uint32_t expected = 0;
  uint32_t pending = 0;
  int64_t transactions = 0;
  uint32_t parity = 0;
};

bool Mbarrier::valid() const {
  uint64_t bits;
  std::memcpy(&bits, bytes_, sizeof(bits));
  return bits >> kValidShift == 1 && (bits & kCountMask) != 0;
}

Mbarrier::Fields Mbarrier::Load() const {
  if (!valid()) Misuse("used before mbarrier.init, or after mbarrier.inval");
  uint64_t bits;
  std::memcpy(&bits, bytes_, sizeof(bits));
  Fields fields;
  fields.expected = static_cast<uint32_t>(bits & kCountMask);
  fields.pending = static_cast<uint32_t>(bits >> kPendingShift & kCountMask);
  // Sign extension of 21 bits.
  fields.transactions = static_cast<int64_t>(bits >> kTransactionShift << 43) >> 43;
  fields.parity = static_cast<uint32_t>(bits >> kParityShift & 1);
  return fields;
}

void Mbarrier::Store(const Fields& fields) {
  const uint64_t bits = uint64_t{fields.expected} | uint64_t{fields.pending} << kPendingShift |
                        (static_cast<uint64_t>(fields.transactions) & kTransactionMask)
                            << kTransactionShift |
                        uint64_t{fields.parity} << kParityShift | uint64_t{1} << kValidShift;
  std::memcpy(bytes_, &bits, sizeof(bits));
}

bool Mbarrier::EndPhaseIfDone(Fields* fields) {
  const bool done = fields->pending == 0 && fields->transactions == 0;
  if (done) {
    fields->parity ^= 1;
    fields->pending = fields->expected;
  }
  Store(*fields);
  return done;
}

void Mbarrier::Init(uint32_t count) {
  if (count == 0 || count > kMaxCount) Misuse("init with a count of " + std::to_string(count));
  Fields fields;
  fields.expected = count;
  fields.pending = count;
  Store(fields);
}

void Mbarrier::Invalidate() {
  Load();
  const uint64_t nothing = 0;
  std::memcpy(bytes_, &nothing, sizeof(nothing));
}

bool Mbarrier::Arrive(uint32_t count, bool drop, uint64_t* state) {
  Fields fields = Load();
  if (state != nullptr) std::memcpy(state, bytes_, sizeof(*state));
  if (count == 0) Misuse("an arrival with a count of zero");
  if (count > fields.pending) {
    Misuse("too many arrivals: " + std::to_string(count) + " more in a phase with " +
           std::to_string(fields.pending) + " pending of " + std::to_string(fields.expected));
  }
  fields.pending -= count;
  if (drop) {
    if (count >= fields.expected) Misuse("arrive_drop leaves no expected arrival");
    fields.expected -= count;
  }
  return EndPhaseIfDone(&fields);
}

void Mbarrier::AddPending() {
  Fields fields = Load();
  if (fields.pending == kMaxCount) Misuse("pending count above its limit");
  ++fields.pending;
  Store(fields);
}

void Mbarrier::CheckNoComplete(uint32_t count) const {
  const Fields fields = Load();
  if (count >= fields.pending) Misuse("arrive.noComplete would end the phase");
}

bool Mbarrier::ExpectTransactions(uint32_t bytes) {
  Fields fields = Load();
  fields.transactions += bytes;
  if (fields.transactions > kMaxTransactions) {
    Misuse("transaction count above its limit: " + std::to_string(fields.transactions));
  }
  // Bytes may have come before they were expected, and every arrival too: then this ends the phase.
  return EndPhaseIfDone(&fields);
}

bool Mbarrier::CompleteTransactions(uint32_t bytes) {
  Fields fields = Load();
  fields.transactions -= bytes;
  if (fields.transactions < -kMaxTransactions) {
    Misuse("transaction count below its limit: " + std::to_string(fields.transactions));
  }
  return EndPhaseIfDone(&fields);
}

bool Mbarrier::PhaseEnded(uint32_t parity) const { return Load().parity != (parity & 1); }

bool Mbarrier::StateEnded(uint64_t state) const {
  if (state >> kValidShift != 1) Misuse("a wait for something that is no state of an mbarrier");
  return Load().parity != (state >> kParityShift & 1);
}

uint32_t Mbarrier::PendingCount(uint64_t state) {
  return static_cast<uint32_t>(state >> kPendingShift & kCountMask);
}

uint32_t Mbarrier::pending() const { return Load().pending; }
int64_t Mbarrier::transactions() const { return Load().transactions; }
uint32_t Mbarrier::parity() const { return Load().parity; }

}  // namespace emu
