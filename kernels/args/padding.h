// Rows of a step that stand for no token. A step that is recorded for replay has as many rows as a
// later one may need; those that it does not need are computed, and no cache, expert or count sees
// them.
#ifndef SWITCHYARD_KERNELS_ARGS_PADDING_H_
#define SWITCHYARD_KERNELS_ARGS_PADDING_H_

#include <cstdint>

namespace switchyard::kernels {

// The cache slot of such a row.
inline constexpr int64_t kNoSlot = -1;

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_ARGS_PADDING_H_
