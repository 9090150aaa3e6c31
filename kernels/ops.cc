#include "kernels/ops.h"

#include <utility>

#include "base/check.h"
#include "kernels/op_check.h"

namespace switchyard::kernels {

void Ops::BeginRecording() { SY_CHECK(records()) << "this backend records no ops"; }

std::unique_ptr<Recording> Ops::EndRecording() { return nullptr; }

void Ops::DoLayOutKeys(const LayOutKeysArgs&) {
  SY_CHECK(false) << "LayOutKeys: this backend reads keys as rows";
}

std::unique_ptr<PackedLinear> Ops::Pack(const LinearSource& source) {
  CheckSource(source);
  return DoPack(source);
}

std::unique_ptr<PackedLinear> Ops::PackGateUp(const LinearSource& gate, const LinearSource& up) {
  CheckGateUpSources(gate, up);
  return DoPackGateUp(gate, up);
}

std::unique_ptr<PackedLinear> Ops::StartPack(const LinearSource& rows, const LinearSource* up,
                                             int64_t n) {
  CheckPiece(rows, up, 0, n, pack_row_step());
  return DoStartPack(rows, up, n);
}

void Ops::PackRows(const LinearSource& rows, const LinearSource* up, int64_t row_begin,
                   PackedLinear* packed) {
  CheckPiece(rows, up, row_begin, packed->n(), pack_row_step());
  DoPackRows(rows, up, row_begin, packed);
}

absl::StatusOr<std::unique_ptr<PackedLinear>> Ops::Restore(const PackedForm& form, Buffer memory) {
  CheckPackedForm(form);
  return DoRestore(form, std::move(memory));
}

std::unique_ptr<PackedLinear> Ops::DoStartPack(const LinearSource&, const LinearSource*, int64_t) {
  return nullptr;
}
void Ops::DoPackRows(const LinearSource&, const LinearSource*, int64_t, PackedLinear*) {}

std::unique_ptr<MlpTable> Ops::MakeMlpTable(std::span<const MlpWeights* const> mlps) {
  CheckMlps(mlps);
  return DoMakeMlpTable(mlps);
}

void Ops::Linear(const LinearArgs& args) {
  Check(args);
  DoLinear(args);
}

void Ops::GroupAmax(const GroupAmaxArgs& args) {
  Check(args);
  DoGroupAmax(args);
}

void Ops::BatchedLinear(const BatchedLinearArgs& args) {
  Check(args);
  DoBatchedLinear(args);
}

void Ops::GateUp(const GateUpArgs& args) {
  Check(args);
  DoGateUp(args);
}

void Ops::GroupedMlp(const GroupedMlpArgs& args) {
  Check(args);
  DoGroupedMlp(args);
}

void Ops::RoutedMlp(const RoutedMlpArgs& args) {
  Check(args);
  DoRoutedMlp(args);
}

void Ops::Embedding(const EmbeddingArgs& args) {
  Check(args);
  DoEmbedding(args);
}

void Ops::RmsNorm(const RmsNormArgs& args) {
  Check(args);
  DoRmsNorm(args);
}

void Ops::Add(const AddArgs& args) {
  Check(args);
  DoAdd(args);
}

void Ops::Rope(const RopeArgs& args) {
  Check(args);
  DoRope(args);
}

void Ops::GatherRows(const GatherRowsArgs& args) {
  Check(args);
  DoGatherRows(args);
}

void Ops::Cast(const CastArgs& args) {
  Check(args);
  DoCast(args);
}

void Ops::TreeSum(const TreeSumArgs& args) {
  Check(args);
  DoTreeSum(args);
}

void Ops::LargestPart(const LargestPartArgs& args) {
  Check(args);
  DoLargestPart(args);
}

void Ops::LatentWrite(const LatentWriteArgs& args) {
  Check(args);
  DoLatentWrite(args);
}

void Ops::LatentGather(const LatentGatherArgs& args) {
  Check(args);
  DoLatentGather(args);
}

void Ops::LayOutKeys(const LayOutKeysArgs& args) {
  Check(args);
  if (args.kv.rows() > 0) DoLayOutKeys(args);
}

void Ops::PrefillAttention(const PrefillAttentionArgs& args) {
  Check(args);
  SY_CHECK(args.tiles.empty() || KeyTileBytes({.heads = args.q.dims[1],
                                               .key_dim = args.q.dims[2],
                                               .value_dim = args.out.dims[2],
                                               .bf16 = args.bf16}) > 0)
      << "PrefillAttention: tiles: this backend reads keys as rows";
  DoPrefillAttention(args);
}

void Ops::DecodeAttention(const DecodeAttentionArgs& args) {
  Check(args);
  DoDecodeAttention(args);
}

void Ops::GqaWrite(const GqaWriteArgs& args) {
  Check(args);
  DoGqaWrite(args);
}

void Ops::GqaPrefill(const GqaPrefillArgs& args) {
  Check(args);
  DoGqaPrefill(args);
}

void Ops::GqaDecode(const GqaDecodeArgs& args) {
  Check(args);
  DoGqaDecode(args);
}

void Ops::Gate(const GateArgs& args) {
  Check(args);
  DoGate(args);
}

void Ops::CombineRows(const CombineRowsArgs& args) {
  Check(args);
  DoCombineRows(args);
}

void Ops::PlaceTokens(const PlaceTokensArgs& args) {
  Check(args);
  DoPlaceTokens(args);
}

void Ops::RouteTokens(const RouteTokensArgs& args) {
  Check(args);
  DoRouteTokens(args);
}

void Ops::DispatchTokens(const DispatchTokensArgs& args) {
  Check(args);
  DoDispatchTokens(args);
}

void Ops::ReceiveTokens(const ReceiveTokensArgs& args) {
  Check(args);
  DoReceiveTokens(args);
}

void Ops::SelectRows(const SelectRowsArgs& args) {
  Check(args);
  DoSelectRows(args);
}

void Ops::EditLogits(const EditLogitsArgs& args) {
  Check(args);
  DoEditLogits(args);
}

void Ops::LogitMax(const LogitMaxArgs& args) {
  Check(args);
  DoLogitMax(args);
}

void Ops::LogitHistogram(const LogitHistogramArgs& args) {
  Check(args);
  DoLogitHistogram(args);
}

void Ops::LogitMassOf(const LogitMassArgs& args) {
  Check(args);
  DoLogitMassOf(args);
}

void Ops::LogitPick(const LogitPickArgs& args) {
  Check(args);
  DoLogitPick(args);
}

void Ops::LogitCollect(const LogitCollectArgs& args) {
  Check(args);
  DoLogitCollect(args);
}

void Ops::LogitGather(const LogitGatherArgs& args) {
  Check(args);
  DoLogitGather(args);
}

}  // namespace switchyard::kernels
