#include "emulator/nccl/reducer.h"

#include <algorithm>
#include <cstring>

#include "emulator/nccl/element_type.h"
#include "emulator/nccl/exchange.h"
#include "emulator/nccl/reduction.h"

namespace emu {
namespace {

// Of one rank's contribution to one meeting: bounds the memory that a reduction needs beside the
// channels.
constexpr size_t kChunkBytes = 256 << 10;
// Up to this size every rank gathers everything and reduces for itself: one round of messages
// instead of two.
constexpr size_t kDirectBytes = 16 << 10;

}  // namespace

Reducer::Reducer(Communicator* comm, const Operation& operation, const MessageTag& tag)
    : comm_(comm),
      operation_(operation),
      tag_(tag),
      element_bytes_(ElementBytes(operation.type)),
      steps_(StepsOf(operation.reduction, operation.type, comm->num_ranks())),
      send_(static_cast<const std::byte*>(operation.send)),
      receive_(static_cast<std::byte*>(operation.receive)),
      received_(static_cast<size_t>(comm->num_ranks())),
      scaled_(static_cast<size_t>(comm->num_ranks())) {}

void Reducer::Run() {
  switch (operation_.kind) {
    case OperationKind::kAllReduce:
      return AllReduce();
    case OperationKind::kReduce:
      return Reduce();
    default:
      return ReduceScatter();
  }
}

void Reducer::AllReduce() {
  const size_t total = operation_.count;
  const auto num_ranks = static_cast<size_t>(comm_->num_ranks());
  if (total * element_bytes_ <= kDirectBytes) {
    Meet(std::vector<Part>(num_ranks, Part{.begin = 0, .count = total}), receive_);
    return;
  }
  const size_t most = std::min(ChunkElements(), (total + num_ranks - 1) / num_ranks);
  for (size_t begin = 0; begin < total; begin += most * num_ranks) {
    std::vector<Part> parts(num_ranks);
    for (size_t p = 0; p < num_ranks; ++p) {
      parts[p].begin = std::min(begin + p * most, total);
      parts[p].count = std::min(most, total - parts[p].begin);
    }
    const size_t own = parts[static_cast<size_t>(comm_->rank())].begin;
    if (!Meet(parts, receive_ + own * element_bytes_) || !Distribute(parts)) return;
  }
}

void Reducer::Reduce() {
  for (size_t begin = 0; begin < operation_.count; begin += ChunkElements()) {
    std::vector<Part> parts(static_cast<size_t>(comm_->num_ranks()));
    parts[static_cast<size_t>(operation_.peer)] = {
        .begin = begin, .count = std::min(ChunkElements(), operation_.count - begin)};
    if (!Meet(parts, receive_ + begin * element_bytes_)) return;
  }
}

void Reducer::ReduceScatter() {
  for (size_t begin = 0; begin < operation_.count; begin += ChunkElements()) {
    std::vector<Part> parts;
    for (size_t p = 0; p < static_cast<size_t>(comm_->num_ranks()); ++p) {
      parts.push_back({.begin = p * operation_.count + begin,
                       .count = std::min(ChunkElements(), operation_.count - begin)});
    }
    if (!Meet(parts, receive_ + begin * element_bytes_)) return;
  }
}

bool Reducer::Meet(const std::vector<Part>& parts, std::byte* target) {
  const auto self = static_cast<size_t>(comm_->rank());
  const Part& own = parts[self];
  Exchange exchange(comm_);
  for (size_t p = 0; p < parts.size(); ++p) {
    if (p == self) continue;
    if (parts[p].count > 0) {
      exchange.Send(static_cast<int>(p), Input(parts[p], &scaled_[p]),
                    parts[p].count * element_bytes_, tag_);
    }
    if (own.count > 0) {
      received_[p].resize(own.count * element_bytes_);
      exchange.Receive(static_cast<int>(p), received_[p].data(), received_[p].size(), tag_);
    }
  }
  if (!exchange.Run()) return false;
  if (own.count == 0) return true;

  const std::byte* mine = Input(own, &scaled_[self]);
  received_[self].assign(mine, mine + own.count * element_bytes_);
  std::vector<std::byte>& result = received_[0];
  for (size_t p = 1; p < parts.size(); ++p) {
    Combine(operation_.type, operation_.reduction.kind, result.data(), received_[p].data(),
            own.count);
  }
  if (steps_.divisor > 1) Divide(operation_.type, steps_.divisor, result.data(), own.count);
  std::memcpy(target, result.data(), result.size());
  return true;
}

bool Reducer::Distribute(const std::vector<Part>& parts) {
  const auto self = static_cast<size_t>(comm_->rank());
  Exchange exchange(comm_);
  const auto address = [this](const Part& part) { return receive_ + part.begin * element_bytes_; };
  const auto bytes = [this](const Part& part) { return part.count * element_bytes_; };
  for (size_t p = 0; p < parts.size(); ++p) {
    if (p == self) continue;
    const int peer = static_cast<int>(p);
    if (parts[self].count > 0) {
      exchange.Send(peer, address(parts[self]), bytes(parts[self]), tag_);
    }
    if (parts[p].count > 0) exchange.Receive(peer, address(parts[p]), bytes(parts[p]), tag_);
  }
  return exchange.Run();
}

const std::byte* Reducer::Input(const Part& part, std::vector<std::byte>* scratch) const {
  const std::byte* input = send_ + part.begin * element_bytes_;
  if (!steps_.scales) return input;
  scratch->assign(input, input + part.count * element_bytes_);
  Scale(operation_.type, steps_.factor_bits, scratch->data(), part.count);
  return scratch->data();
}

size_t Reducer::ChunkElements() const { return kChunkBytes / element_bytes_; }

}  // namespace emu
