// What cp.reduce.async.bulk does to memory: element by element, each atomically.
//
// Owner: none, pure functions over memory. Thread: any, several at once on the same memory.
#ifndef SWITCHYARD_EMULATOR_PTX_TMA_REDUCE_H_
#define SWITCHYARD_EMULATOR_PTX_TMA_REDUCE_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "emulator/ptx/tensor_map.h"

namespace emu {

enum class BulkReduction : uint8_t { kNone, kAdd, kMin, kMax, kAnd, kOr, kXor };

// kNone for a name that is none of these.
BulkReduction ParseBulkReduction(std::string_view name);

// Whether hardware has this operation for elements of this type.
bool IsBulkReduction(BulkReduction reduction, TensorType type);

// memory[i] = memory[i] op values[i], in type's arithmetic, rounded to nearest even. `memory` is
// aligned to the element, `values` need not be. REQUIRES: IsBulkReduction(reduction, type).
void ReduceElements(BulkReduction reduction, TensorType type, std::byte* memory,
                    const std::byte* values, size_t bytes);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_TMA_REDUCE_H_
