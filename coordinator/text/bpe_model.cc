#include "coordinator/text/bpe_model.h"

#include <algorithm>
#include <string>

#include "coordinator/text/utf8.h"

namespace switchyard::text {
namespace {

uint64_t Pair(int32_t left, int32_t right) {
  return uint64_t(uint32_t(left)) << 32 | uint32_t(right);
}

// For the heap functions of the standard library, which keep the largest first.
constexpr auto kComesLater = [](const auto& a, const auto& b) { return a.order > b.order; };

}  // namespace

absl::StatusOr<BpeModel> BpeModel::Create(const TokenizerSpec& spec) {
  const std::vector<TokenSpec>& tokens = spec.tokens;
  const std::vector<MergeSpec>& merges = spec.merges;
  BpeModel model;
  model.symbols_ = spec.symbols;
  model.byte_ids_.fill(-1);
  for (size_t id = 0; id < tokens.size(); ++id) {
    const TokenSpec& token = tokens[id];
    const bool of_characters = spec.symbols == Symbols::kCharacters;
    if ((of_characters ? token.is_byte : token.is_mergeable) && token.bytes.size() == 1) {
      model.byte_ids_[uint8_t(token.bytes[0])] = int32_t(id);
    }
    const std::string& piece = token.piece();
    if (of_characters && token.is_mergeable && !piece.empty() &&
        ReadUtf8Head(piece).num_bytes == std::ssize(piece)) {
      model.character_ids_.emplace(piece, int32_t(id));
    }
  }
  for (int byte = 0; byte < 256; ++byte) {
    if (model.byte_ids_[byte] < 0 && !spec.may_lack_bytes) {
      return absl::InvalidArgumentError(
          fmt::format("model.vocab has no token for the byte 0x{:02x}", byte));
    }
  }
  model.merges_.reserve(merges.size());
  for (size_t i = 0; i < merges.size(); ++i) {
    const MergeSpec& merge = merges[i];
    const auto rank = uint32_t(spec.merges_by_result ? merge.result : i);
    model.merges_.insert_or_assign(Pair(merge.left, merge.right), {rank, merge.result});
  }
  Scratch scratch;
  for (size_t id = 0; id < tokens.size(); ++id) {
    const std::string_view piece = tokens[id].piece();
    if (!tokens[id].is_mergeable || piece.empty()) continue;
    if (!spec.ignore_merges) {
      model.MergeAll(piece, scratch);
      if (scratch.symbols.empty() || scratch.symbols[0].id != int32_t(id) ||
          scratch.symbols[0].next != -1)
        continue;
    }
    model.whole_pieces_.emplace(piece, int32_t(id));
  }
  return model;
}

void BpeModel::Append(std::string_view piece, Scratch& scratch, std::vector<int32_t>& ids) const {
  if (piece.empty()) return;
  if (const auto whole = whole_pieces_.find(piece); whole != whole_pieces_.end()) {
    ids.push_back(whole->second);
    return;
  }
  MergeAll(piece, scratch);
  if (scratch.symbols.empty()) return;
  for (int32_t i = 0; i != -1; i = scratch.symbols[i].next) ids.push_back(scratch.symbols[i].id);
}

void BpeModel::Begin(std::string_view piece, Scratch& scratch) const {
  auto& symbols = scratch.symbols;
  symbols.clear();
  const auto add = [&](int32_t id) {
    const auto i = int32_t(symbols.size());
    symbols.push_back({id, i - 1, i + 1});
  };
  const auto add_bytes = [&](std::string_view bytes) {
    for (const char byte : bytes) {
      if (const int32_t id = byte_ids_[uint8_t(byte)]; id >= 0) add(id);
    }
  };
  if (symbols_ == Symbols::kBytes) {
    add_bytes(piece);
    piece = {};
  }
  while (!piece.empty()) {
    const std::string_view character = piece.substr(0, size_t(ReadUtf8Head(piece).num_bytes));
    piece.remove_prefix(character.size());
    const auto known = character_ids_.find(character);
    known != character_ids_.end() ? add(known->second) : add_bytes(character);
  }
  if (!symbols.empty()) symbols.back().next = -1;
}

int32_t BpeModel::Scratch::Allocate(const Candidate& candidate) {
  if (first_free == kNone) {
    candidates.push_back(candidate);
    return int32_t(candidates.size()) - 1;
  }
  const int32_t place = first_free;
  first_free = kFree - candidates[place].next;
  candidates[place] = candidate;
  return place;
}

void BpeModel::Scratch::Add(uint32_t rank, int32_t left, int32_t result) {
  const uint64_t order = uint64_t{rank} << 32 | uint32_t(left);
  const int32_t place = Allocate({order, result, kNone});
  int32_t& last = last_of_run[rank % last_of_run.size()];
  const bool follows = last < std::ssize(candidates) && candidates[last].next == kNone &&
                       candidates[last].order < order && candidates[last].order >> 32 == rank;
  if (follows) {
    candidates[last].next = place;
  } else {
    heap.push_back({order, place});
    std::push_heap(heap.begin(), heap.end(), kComesLater);
  }
  last = place;
}

BpeModel::Scratch::Candidate BpeModel::Scratch::Take() {
  std::pop_heap(heap.begin(), heap.end(), kComesLater);
  const int32_t place = heap.back().first;
  const Candidate taken = candidates[place];
  if (taken.next == kNone) {
    heap.pop_back();
  } else {
    heap.back() = {candidates[taken.next].order, taken.next};
    std::push_heap(heap.begin(), heap.end(), kComesLater);
  }
  candidates[place].next = kFree - first_free;
  first_free = place;
  return taken;
}

void BpeModel::Scratch::Clear() {
  candidates.clear();
  heap.clear();
  first_free = kNone;
}

// Merges the best pair until none is left. Pairs wait in runs; one that changed meanwhile is
// dropped when it comes up. REQUIRES: a piece that is not empty.
void BpeModel::MergeAll(std::string_view piece, Scratch& scratch) const {
  auto& symbols = scratch.symbols;
  Begin(piece, scratch);
  scratch.Clear();
  for (int32_t i = 0; i + 1 < std::ssize(symbols); ++i) Offer(i, scratch);

  while (!scratch.heap.empty()) {
    const Scratch::Candidate best = scratch.Take();
    const auto at = int32_t(uint32_t(best.order));
    Scratch::Symbol& left = symbols[at];
    if (left.id < 0 || left.next < 0) continue;
    const Merge* merge = FindMerge(left.id, symbols[left.next].id);
    if (merge == nullptr || merge->result != best.result) continue;

    Scratch::Symbol& right = symbols[left.next];
    right.id = -1;
    left.id = best.result;
    left.next = right.next;
    if (left.next >= 0) symbols[left.next].previous = at;
    if (left.previous >= 0) Offer(left.previous, scratch);
    Offer(at, scratch);
  }
}

// Lets the pair of symbol `left` and its right neighbour wait, if there is a merge for it.
void BpeModel::Offer(int32_t left, Scratch& scratch) const {
  const Scratch::Symbol& symbol = scratch.symbols[left];
  if (symbol.next < 0) return;
  const Merge* merge = FindMerge(symbol.id, scratch.symbols[symbol.next].id);
  if (merge != nullptr) scratch.Add(merge->rank, left, merge->result);
}

const BpeModel::Merge* BpeModel::FindMerge(int32_t left, int32_t right) const {
  const auto merge = merges_.find(Pair(left, right));
  return merge == merges_.end() ? nullptr : &merge->second;
}

}  // namespace switchyard::text
