#include <bit>
#include <string>

#include "kernels/op_check.h"
#include "kernels/op_check_util.h"

namespace switchyard::kernels {
namespace {

constexpr int64_t kScaleColumns = 128;

int64_t CeilDiv(int64_t value, int64_t divisor) { return (value + divisor - 1) / divisor; }

// With a scale for a group of a row's columns.
bool IsGrouped(DType dtype) {
  return dtype == DType::kI8 || dtype == DType::kU4 || dtype == DType::kF4E2M1;
}

void CheckBlocks(const std::string& op, const LinearSource& source) {
  if (IsGrouped(source.weight.dtype)) {
    ExpectEqual(op, "block_rows", 1, source.block_rows);
    SY_CHECK_GE(source.block_cols, 1) << op << ": block_cols";
    return;
  }
  SY_CHECK_GE(source.block_rows, 1) << op << ": block_rows";
  SY_CHECK(source.block_cols > 0 && source.block_cols % kScaleColumns == 0)
      << op << ": block_cols: expected a multiple of " << kScaleColumns << ", got "
      << source.block_cols;
}

void CheckZeros(const std::string& op, const LinearSource& source) {
  if (source.zeros.empty()) return;
  SY_CHECK(source.weight.dtype == DType::kU4)
      << op << ": zeros: expected none for " << Name(source.weight.dtype);
  TensorCheck(op, "zeros", source.zeros)
      .Type(DType::kI8)
      .Shape({source.scales.dims[0], source.scales.dims[1]});
}

void CheckForm(const std::string& op, const LinearSource& source) {
  if (source.form == WeightForm::kStored) return;
  const DType other = source.form == WeightForm::kInt8 ? DType::kU4 : DType::kI8;
  SY_CHECK(source.weight.dtype != other) << op << ": form: not one of " << Name(other);
  SY_CHECK(source.compute == Compute::kBf16) << op << ": form: quantised ones need compute bf16";
}

void CheckScales(const std::string& op, const LinearSource& source) {
  const bool scaled = source.weight.dtype == DType::kF8E4M3 || IsGrouped(source.weight.dtype);
  SY_CHECK(source.scales.empty() != scaled)
      << op << ": scales: expected " << (scaled ? "some" : "none") << " for "
      << Name(source.weight.dtype);
  if (!scaled) return;
  CheckBlocks(op, source);
  TensorCheck(op, "scales", source.scales).Type(DType::kF32).Rank(2);
  // The whole tensor has at least the rows and columns of the slice.
  const int64_t rows = CeilDiv(source.row_offset + source.weight.dims[0], source.block_rows);
  const int64_t cols = CeilDiv(source.col_offset + source.weight.dims[1], source.block_cols);
  SY_CHECK_GE(source.scales.dims[0], rows) << op << ": scales: dimension 0";
  SY_CHECK_GE(source.scales.dims[1], cols) << op << ": scales: dimension 1";
}

void CheckShards(const std::string& op, const LinearSource& source) {
  SY_CHECK(source.k_shards > 0 && std::has_single_bit(static_cast<uint64_t>(source.k_shards)) &&
           source.weight.dims[1] % source.k_shards == 0)
      << op << ": k_shards: expected a power of two that divides " << source.weight.dims[1]
      << ", got " << source.k_shards;
}

// Activations of M rows by the weight's K, of which one form is given.
template <typename Args>
void CheckProduct(const char* op, const Args& args) {
  const PackedLinear* const weight = args.weight;
  SY_CHECK(weight != nullptr) << op << ": weight: expected one, got null";
  if (args.quantised.empty()) {
    TensorCheck(op, "x", args.x).Activation().Shape({args.x.rows(), weight->k()});
    TensorCheck(op, "y", args.y).Activation().Shape({args.x.rows(), weight->n()});
    return;
  }
  SY_CHECK(args.x.empty()) << op << ": x: expected none beside quantised";
  SY_CHECK(weight->takes_quantised()) << op << ": quantised: the weight takes none";
  CheckQuantised(op, args.quantised, args.quantised.rows, weight->k());
  TensorCheck(op, "y", args.y).Activation().Shape({args.quantised.rows, weight->n()});
}

int64_t NumGroups(int64_t col_offset, int64_t columns) {
  return CeilDiv(col_offset % kScaleColumns + columns, kScaleColumns);
}

void CheckMlp(std::string_view op, const MlpWeights* mlp, int64_t hidden) {
  SY_CHECK(mlp != nullptr && mlp->gate_up != nullptr && mlp->down != nullptr)
      << op << ": mlps: expected weights, got null";
  ExpectEqual(op, "k of gate and up", hidden, mlp->gate_up->k());
  ExpectEqual(op, "k of down", mlp->gate_up->n(), mlp->down->k());
  ExpectEqual(op, "n of down", hidden, mlp->down->n());
}

}  // namespace

void CheckSource(const LinearSource& source) {
  const std::string op = "Pack " + std::string(source.name);
  const TensorView& weight = source.weight;
  TensorCheck(op, "weight", weight)
      .OneOf({DType::kF32, DType::kF16, DType::kBf16, DType::kF8E4M3, DType::kI8, DType::kU4,
              DType::kF4E2M1})
      .Rank(2)
      .Shape({weight.dims[0], weight.dims[1]});
  SY_CHECK(weight.dims[0] > 0 && weight.dims[1] > 0)
      << op << ": weight: expected rows and columns, got " << weight.dims[0] << " x "
      << weight.dims[1];
  SY_CHECK(source.row_offset >= 0 && source.col_offset >= 0)
      << op << ": offsets: expected none below 0";
  CheckShards(op, source);
  if (!source.bias.empty()) {
    TensorCheck(op, "bias", source.bias).Type(DType::kF32).Shape({weight.dims[0]});
    TensorCheck(op, "bias", source.bias).Contiguous();
  }
  CheckScales(op, source);
  CheckZeros(op, source);
  CheckForm(op, source);
}

void CheckGateUpSources(const LinearSource& gate, const LinearSource& up) {
  CheckSource(gate);
  CheckSource(up);
  const std::string op = "PackGateUp " + std::string(up.name);
  TensorCheck(op, "up", up.weight)
      .Type(gate.weight.dtype)
      .Shape({gate.weight.dims[0], gate.weight.dims[1]});
  SY_CHECK(gate.compute == up.compute) << op << ": compute: expected that of gate";
  SY_CHECK(gate.form == up.form) << op << ": form: expected that of gate";
  SY_CHECK(gate.zeros.empty() == up.zeros.empty()) << op << ": zeros: expected as of gate";
  if (IsGrouped(gate.weight.dtype)) {
    ExpectEqual(op, "block_cols", gate.block_cols, up.block_cols);
  }
  ExpectEqual(op, "col_offset", gate.col_offset, up.col_offset);
  ExpectEqual(op, "k_shards", gate.k_shards, up.k_shards);
  SY_CHECK(gate.bias.empty() == up.bias.empty()) << op << ": bias: expected both or none";
  SY_CHECK(gate.gating == up.gating) << op << ": gating: expected that of gate";
}

void CheckPackedForm(const PackedForm& form) {
  const LinearSource& source = form.source;
  const std::string op = "Restore " + std::string(source.name);
  SY_CHECK(source.weight.rank == 2 && source.weight.dims[0] > 0 && source.weight.dims[1] > 0)
      << op << ": weight: expected rows and columns";
  SY_CHECK(source.row_offset >= 0 && source.col_offset >= 0)
      << op << ": offsets: expected none below 0";
  CheckShards(op, source);
}

absl::Status CheckRestored(std::string_view name, int64_t expected, int64_t got) {
  if (got == expected) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("{}: packed it has {} bytes, not {}", name, expected, got));
}

void CheckPiece(const LinearSource& rows, const LinearSource* up, int64_t row_begin, int64_t n,
                int64_t step) {
  if (up != nullptr) {
    CheckGateUpSources(rows, *up);
  } else {
    CheckSource(rows);
  }
  const std::string op = "PackRows " + std::string(rows.name);
  SY_CHECK(step > 0) << op << ": this backend packs whole weights only";
  SY_CHECK(row_begin >= 0 && row_begin % step == 0)
      << op << ": row_begin: expected a multiple of " << step << ", got " << row_begin;
  SY_CHECK(row_begin + rows.weight.dims[0] <= n)
      << op << ": expected rows up to " << n << ", got " << row_begin + rows.weight.dims[0];
}

void Check(const LinearArgs& args) {
  CheckProduct("Linear", args);
  if (args.x_amax.empty()) return;
  SY_CHECK(args.quantised.empty()) << "Linear: x_amax: expected none beside quantised";
  TensorCheck("Linear", "x_amax", args.x_amax).Type(DType::kF32).Rank(2);
  ExpectEqual("Linear", "rows of x_amax", args.x.rows(), args.x_amax.rows());
  // Where the slice begins in its first group is known to the weight alone.
  const int64_t least = CeilDiv(args.weight->k(), kScaleColumns);
  ExpectBetween("Linear", "groups of x_amax", least, least + 1, args.x_amax.dims[1]);
}

void Check(const GroupAmaxArgs& args) {
  TensorCheck("GroupAmax", "x", args.x).Activation().Rank(2);
  TensorCheck("GroupAmax", "x", args.x).Shape({args.x.dims[0], args.x.dims[1]});
  SY_CHECK_GE(args.col_offset, 0) << "GroupAmax: col_offset";
  TensorCheck("GroupAmax", "amax", args.amax)
      .Type(DType::kF32)
      .Shape({args.x.rows(), NumGroups(args.col_offset, args.x.dims[1])});
}

void Check(const BatchedLinearArgs& args) {
  const auto batch = static_cast<int64_t>(args.weights.size());
  SY_CHECK_GT(batch, 0) << "BatchedLinear: weights";
  for (const PackedLinear* weight : args.weights) {
    SY_CHECK(weight != nullptr) << "BatchedLinear: weights: expected one, got null";
    ExpectEqual("BatchedLinear", "n of a weight", args.weights[0]->n(), weight->n());
    ExpectEqual("BatchedLinear", "k of a weight", args.weights[0]->k(), weight->k());
  }
  TensorCheck("BatchedLinear", "x", args.x)
      .Activation()
      .Shape({args.x.rows(), batch, args.weights[0]->k()});
  if (args.x_batch_stride != 0) {
    SY_CHECK_GE(args.x_batch_stride, args.weights[0]->k()) << "BatchedLinear: x_batch_stride";
  }
  TensorCheck("BatchedLinear", "y", args.y)
      .Activation()
      .Shape({args.x.rows(), batch, args.weights[0]->n()});
}

void Check(const GateUpArgs& args) { CheckProduct("GateUp", args); }

void Check(const GroupedMlpArgs& args) {
  TensorCheck("GroupedMlp", "x", args.x).Activation().Rank(2);
  TensorCheck("GroupedMlp", "x", args.x).Shape({args.x.dims[0], args.x.dims[1]});
  TensorCheck("GroupedMlp", "y", args.y).Activation().Shape({args.x.dims[0], args.x.dims[1]});
  const auto blocks = static_cast<int64_t>(args.mlps.size());
  ExpectEqual("GroupedMlp", "offsets", blocks + 1, static_cast<int64_t>(args.offsets.size()));
  ExpectEqual("GroupedMlp", "first offset", 0, args.offsets.front());
  ExpectEqual("GroupedMlp", "last offset", args.x.rows(), args.offsets.back());
  for (size_t i = 0; i < args.mlps.size(); ++i) {
    SY_CHECK_LE(args.offsets[i], args.offsets[i + 1]) << "GroupedMlp: offsets";
    CheckMlp("GroupedMlp", args.mlps[i], args.x.dims[1]);
  }
}

void CheckMlps(std::span<const MlpWeights* const> mlps) {
  ExpectBetween("MakeMlpTable", "mlps", 1, kMaxExperts + 1, static_cast<int64_t>(mlps.size()));
  SY_CHECK(mlps[0] != nullptr && mlps[0]->gate_up != nullptr)
      << "MakeMlpTable: mlps: expected weights, got null";
  for (const MlpWeights* mlp : mlps) CheckMlp("MakeMlpTable", mlp, mlps[0]->gate_up->k());
}

void Check(const RoutedMlpArgs& args) {
  constexpr std::string_view kOp = "RoutedMlp";
  SY_CHECK(args.table != nullptr) << kOp << ": table: expected one, got null";
  const std::span<const MlpWeights* const> mlps = args.table->mlps();
  TensorCheck(kOp, "x", args.x).Activation().Rank(2);
  const int64_t rows = args.x.dims[0], hidden = mlps[0]->gate_up->k();
  TensorCheck(kOp, "x", args.x).Shape({rows, hidden});
  TensorCheck(kOp, "y", args.y).Type(args.x.dtype).Shape({rows, hidden});
  TensorCheck(kOp, "spans", args.spans).Type(DType::kI32).Shape({std::ssize(mlps), 2}).Contiguous();
  ExpectBetween(kOp, "max_rows", 0, rows, args.max_rows);
  ExpectBetween(kOp, "likely_rows", 0, args.max_rows, args.likely_rows);
}

}  // namespace switchyard::kernels
