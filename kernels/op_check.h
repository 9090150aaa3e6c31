// The door of every op: aborts with tensor name, dimension, expected and got when an argument does
// not fit (kernels/args/*.h says what fits). Costs some comparisons per op, whatever the sizes.
#ifndef SWITCHYARD_KERNELS_OP_CHECK_H_
#define SWITCHYARD_KERNELS_OP_CHECK_H_

#include <cstdint>
#include <string_view>

#include "base/status.h"
#include "kernels/args/attention.h"
#include "kernels/args/elementwise.h"
#include "kernels/args/gqa.h"
#include "kernels/args/linear.h"
#include "kernels/args/logits.h"
#include "kernels/args/moe.h"

namespace switchyard::kernels {

// op_check_linear.cc
void CheckSource(const LinearSource& source);
void CheckGateUpSources(const LinearSource& gate, const LinearSource& up);
void CheckPackedForm(const PackedForm& form);
// Of a weight to be restored: the bytes that its form has, and those that came.
absl::Status CheckRestored(std::string_view name, int64_t expected, int64_t got);
// Rows [row_begin, ...) of a weight of `n` outputs that is packed by pieces of `step`.
void CheckPiece(const LinearSource& rows, const LinearSource* up, int64_t row_begin, int64_t n,
                int64_t step);
void Check(const LinearArgs& args);
void Check(const GroupAmaxArgs& args);
void Check(const BatchedLinearArgs& args);
void Check(const GateUpArgs& args);
void Check(const GroupedMlpArgs& args);
void CheckMlps(std::span<const MlpWeights* const> mlps);
void Check(const RoutedMlpArgs& args);

// op_check_elementwise.cc
void Check(const EmbeddingArgs& args);
void Check(const RmsNormArgs& args);
void Check(const AddArgs& args);
void Check(const RopeArgs& args);
void Check(const GatherRowsArgs& args);
void Check(const CastArgs& args);
void Check(const TreeSumArgs& args);
void Check(const LargestPartArgs& args);

// op_check_attention.cc
void Check(const LatentWriteArgs& args);
void Check(const LatentGatherArgs& args);
void Check(const LayOutKeysArgs& args);
void Check(const PrefillAttentionArgs& args);
void Check(const DecodeAttentionArgs& args);

// op_check_gqa.cc
void Check(const GqaWriteArgs& args);
void Check(const GqaPrefillArgs& args);
void Check(const GqaDecodeArgs& args);

// op_check_moe.cc
void Check(const GateArgs& args);
void Check(const CombineRowsArgs& args);
void Check(const PlaceTokensArgs& args);
void Check(const RouteTokensArgs& args);
void Check(const DispatchTokensArgs& args);
void Check(const ReceiveTokensArgs& args);
void Check(const SelectRowsArgs& args);

// op_check_logits.cc
void Check(const EditLogitsArgs& args);
void Check(const LogitMaxArgs& args);
void Check(const LogitHistogramArgs& args);
void Check(const LogitMassArgs& args);
void Check(const LogitPickArgs& args);
void Check(const LogitCollectArgs& args);
void Check(const LogitGatherArgs& args);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_OP_CHECK_H_
