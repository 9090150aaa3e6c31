#include "worker/exec/ngram_history.h"

#include <algorithm>

#include "base/check.h"
#include "base/random.h"

namespace switchyard::worker {

void NgramHistory::Append(int32_t position, std::span<const int32_t> tokens) {
  SY_CHECK_LE(position, size());
  for (size_t i = static_cast<size_t>(size() - position); i < tokens.size(); ++i) {
    // The run that ends here has a token behind it now.
    for (int length = kShortest; length <= std::min<int>(kLongest, size()); ++length) {
      ends_[length - kShortest][HashOf(size(), length)] = size();
    }
    tokens_.push_back(tokens[i]);
  }
}

std::span<const int32_t> NgramHistory::Continuation(int32_t max_tokens) const {
  for (int length = std::min<int>(kLongest, size()); length >= kShortest; --length) {
    const auto& ends = ends_[length - kShortest];
    const auto found = ends.find(HashOf(size(), length));
    if (found == ends.end()) continue;
    const int32_t begin = found->second;
    // Two runs may share a hash.
    const auto run = tokens_.end() - length;
    if (!std::equal(run, tokens_.end(), tokens_.begin() + begin - length)) continue;
    return std::span(tokens_).subspan(begin, std::min(max_tokens, size() - begin));
  }
  return {};
}

uint64_t NgramHistory::HashOf(int32_t end, int length) const {
  uint64_t hash = static_cast<uint64_t>(length);
  for (int32_t i = end - length; i < end; ++i) {
    hash = RandomBits(hash, static_cast<uint64_t>(tokens_[i]));
  }
  return hash;
}

}  // namespace switchyard::worker
