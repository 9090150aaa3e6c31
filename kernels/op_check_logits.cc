#include "kernels/args/logits.h"
#include "kernels/op_check.h"
#include "kernels/op_check_util.h"

namespace switchyard::kernels {
namespace {

void CheckLogits(std::string_view op, const TensorView& logits) {
  TensorCheck(op, "logits", logits).Type(DType::kF32).Rank(2);
  ExpectBetween(op, "logits: dimension 1", 1, kMaxLogitColumns, logits.dims[1]);
  TensorCheck(op, "logits", logits).Shape({logits.dims[0], logits.dims[1]});
}

void CheckRow(std::string_view op, const TensorView& logits, int32_t row) {
  ExpectBetween(op, "row", 0, logits.dims[0] - 1, row);
}

}  // namespace

void Check(const EditLogitsArgs& args) {
  constexpr std::string_view kOp = "EditLogits";
  CheckLogits(kOp, args.logits);
  for (const EditLogitsArgs::Copy& copy : args.copies) {
    CheckRow(kOp, args.logits, copy.from);
    CheckRow(kOp, args.logits, copy.to);
  }
  for (const LogitEdit& edit : args.edits) {
    CheckRow(kOp, args.logits, edit.row);
    ExpectBetween(kOp, "edits: column", 0, args.logits.dims[1] - 1, edit.column);
  }
  for (const int32_t row : args.masked_rows) CheckRow(kOp, args.logits, row);
  ExpectEqual(kOp, "masks",
              std::ssize(args.masked_rows) * EditLogitsArgs::MaskWords(args.logits.dims[1]),
              std::ssize(args.masks));
}

void Check(const LogitMaxArgs& args) {
  constexpr std::string_view kOp = "LogitMax";
  CheckLogits(kOp, args.logits);
  for (const int32_t row : args.rows) CheckRow(kOp, args.logits, row);
  ExpectEqual(kOp, "peaks", std::ssize(args.rows), std::ssize(args.peaks));
}

void Check(const LogitHistogramArgs& args) {
  constexpr std::string_view kOp = "LogitHistogram";
  CheckLogits(kOp, args.logits);
  for (const LogitHistogramArgs::Search& search : args.searches) {
    CheckRow(kOp, args.logits, search.row.row);
    ExpectBetween(kOp, "prefix_bits", 0, 32 - LogitHistogramArgs::kBits, search.prefix_bits);
    ExpectBetween(kOp, "prefix", 0, (int64_t{1} << search.prefix_bits) - 1, search.prefix);
  }
  const int64_t bins = std::ssize(args.searches) * LogitHistogramArgs::kBins;
  ExpectEqual(kOp, "counts", bins, std::ssize(args.counts));
  ExpectEqual(kOp, "weights", bins, std::ssize(args.weights));
}

void Check(const LogitMassArgs& args) {
  constexpr std::string_view kOp = "LogitMassOf";
  CheckLogits(kOp, args.logits);
  for (const LogitRow& row : args.rows) CheckRow(kOp, args.logits, row.row);
  ExpectEqual(kOp, "masses", std::ssize(args.rows), std::ssize(args.masses));
}

void Check(const LogitPickArgs& args) {
  constexpr std::string_view kOp = "LogitPick";
  CheckLogits(kOp, args.logits);
  for (const LogitPickArgs::Pick& pick : args.picks) CheckRow(kOp, args.logits, pick.row.row);
  ExpectEqual(kOp, "columns", std::ssize(args.picks), std::ssize(args.columns));
}

void Check(const LogitCollectArgs& args) {
  constexpr std::string_view kOp = "LogitCollect";
  CheckLogits(kOp, args.logits);
  for (const LogitCollectArgs::Collect& collect : args.collects) {
    CheckRow(kOp, args.logits, collect.row);
  }
  ExpectBetween(kOp, "limit", 0, kMaxLogitColumns, args.limit);
  ExpectEqual(kOp, "found", std::ssize(args.collects) * args.limit, std::ssize(args.found));
}

void Check(const LogitGatherArgs& args) {
  constexpr std::string_view kOp = "LogitGather";
  CheckLogits(kOp, args.logits);
  ExpectEqual(kOp, "columns", std::ssize(args.rows), std::ssize(args.columns));
  ExpectEqual(kOp, "values", std::ssize(args.rows), std::ssize(args.values));
  for (const int32_t row : args.rows) CheckRow(kOp, args.logits, row);
  for (const int32_t column : args.columns) {
    ExpectBetween(kOp, "column", 0, args.logits.dims[1] - 1, column);
  }
}

}  // namespace switchyard::kernels
