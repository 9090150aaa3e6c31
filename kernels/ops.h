// Every operation that a model needs, over one device. The public method checks its arguments by
// name and aborts on a wrong one (kernels/op_check.h); the private virtual one works. Shapes and
// meaning: kernels/args/*.h.
//
// Owner: the worker, one Ops per device. Thread: one caller at a time. Ops run in the order of the
// calls; on a GPU they are issued and not awaited (Device::Synchronize). No op allocates, except
// those of load time.
#ifndef SWITCHYARD_KERNELS_OPS_H_
#define SWITCHYARD_KERNELS_OPS_H_

#include <memory>
#include <span>
#include <string>

#include "base/status.h"
#include "kernels/args/attention.h"
#include "kernels/args/elementwise.h"
#include "kernels/args/gqa.h"
#include "kernels/args/linear.h"
#include "kernels/args/logits.h"
#include "kernels/args/moe.h"
#include "kernels/device.h"
#include "kernels/recording.h"

namespace switchyard::kernels {

class Ops {
 public:
  virtual ~Ops() = default;

  // The type that activations have between ops: f32 on CPUs, bf16 on GPUs.
  virtual DType activation_dtype() const = 0;
  virtual Device& device() = 0;
  // Of device memory, for QuantisedRows.
  virtual int64_t QuantisedBytes(int64_t rows, int64_t columns) const = 0;

  // Of device memory, for a tile of keys and values that LayOutKeys fills. 0: this backend reads
  // them as rows and lays out nothing.
  virtual int64_t KeyTileBytes(const KeyTileShape& /*shape*/) const { return 0; }

  // Whether ops can be recorded. Between BeginRecording and EndRecording nothing runs: ops become
  // part of the recording, which must not outlive this object. What would wait for the device in
  // there ends the program. REQUIRES: the same ops have run before, with the same shapes.
  virtual bool records() const { return false; }
  virtual void BeginRecording();
  virtual std::unique_ptr<Recording> EndRecording();

  // Load time. The sources' memory is no longer needed when they return.
  std::unique_ptr<PackedLinear> Pack(const LinearSource& source);
  // Gate and up projections of one gated block, of one shape and gating.
  std::unique_ptr<PackedLinear> PackGateUp(const LinearSource& gate, const LinearSource& up);

  // A large weight, piece by piece. StartPack makes a weight of `n` outputs like `rows`, whose rows
  // are some of its; PackRows fills `rows` of it from `row_begin` on, a multiple of
  // pack_row_step(). Every row is filled once, in any order of pieces. `up` is null unless it is a
  // gate-up weight. The packed form is that of Pack or PackGateUp. pack_row_step() 0: the backend
  // cannot.
  virtual int64_t pack_row_step() const { return 0; }
  std::unique_ptr<PackedLinear> StartPack(const LinearSource& rows, const LinearSource* up,
                                          int64_t n);
  void PackRows(const LinearSource& rows, const LinearSource* up, int64_t row_begin,
                PackedLinear* packed);

  // Whether sources may be i8, or of a form other than kStored.
  virtual bool packs_integers() const { return false; }

  // Names the form that Pack gives weights on this device. Another name: other bytes. It changes
  // with every change of a layout (packed_form_test holds it against the bytes).
  virtual std::string packed_form() const = 0;
  // The weight of that form whose memory() had these bytes. They are in this device's memory, at
  // the alignment of Device::Allocate, and are the weight's from now on; nothing writes to them.
  // INVALID_ARGUMENT if the form has another number of bytes.
  absl::StatusOr<std::unique_ptr<PackedLinear>> Restore(const PackedForm& form, Buffer memory);

  // For RoutedMlp, of blocks of one hidden size.
  std::unique_ptr<MlpTable> MakeMlpTable(std::span<const MlpWeights* const> mlps);

  void Linear(const LinearArgs& args);
  void GroupAmax(const GroupAmaxArgs& args);
  void BatchedLinear(const BatchedLinearArgs& args);
  void GateUp(const GateUpArgs& args);
  void GroupedMlp(const GroupedMlpArgs& args);
  void RoutedMlp(const RoutedMlpArgs& args);

  void Embedding(const EmbeddingArgs& args);
  void RmsNorm(const RmsNormArgs& args);
  void Add(const AddArgs& args);
  void Rope(const RopeArgs& args);
  void GatherRows(const GatherRowsArgs& args);
  void Cast(const CastArgs& args);
  void TreeSum(const TreeSumArgs& args);
  void LargestPart(const LargestPartArgs& args);

  void LatentWrite(const LatentWriteArgs& args);
  void LatentGather(const LatentGatherArgs& args);
  void LayOutKeys(const LayOutKeysArgs& args);
  void PrefillAttention(const PrefillAttentionArgs& args);
  void DecodeAttention(const DecodeAttentionArgs& args);

  void GqaWrite(const GqaWriteArgs& args);
  void GqaPrefill(const GqaPrefillArgs& args);
  void GqaDecode(const GqaDecodeArgs& args);

  void Gate(const GateArgs& args);
  void CombineRows(const CombineRowsArgs& args);
  void PlaceTokens(const PlaceTokensArgs& args);
  void RouteTokens(const RouteTokensArgs& args);
  void DispatchTokens(const DispatchTokensArgs& args);
  void ReceiveTokens(const ReceiveTokensArgs& args);
  void SelectRows(const SelectRowsArgs& args);

  // These wait for their results, which are the host's.
  void EditLogits(const EditLogitsArgs& args);
  void LogitMax(const LogitMaxArgs& args);
  void LogitHistogram(const LogitHistogramArgs& args);
  void LogitMassOf(const LogitMassArgs& args);
  void LogitPick(const LogitPickArgs& args);
  void LogitCollect(const LogitCollectArgs& args);
  void LogitGather(const LogitGatherArgs& args);

 private:
  virtual std::unique_ptr<PackedLinear> DoPack(const LinearSource& source) = 0;
  virtual std::unique_ptr<PackedLinear> DoPackGateUp(const LinearSource& gate,
                                                     const LinearSource& up) = 0;
  virtual std::unique_ptr<PackedLinear> DoStartPack(const LinearSource& rows,
                                                    const LinearSource* up, int64_t n);
  virtual void DoPackRows(const LinearSource& rows, const LinearSource* up, int64_t row_begin,
                          PackedLinear* packed);
  virtual absl::StatusOr<std::unique_ptr<PackedLinear>> DoRestore(const PackedForm& form,
                                                                  Buffer memory) = 0;
  virtual std::unique_ptr<MlpTable> DoMakeMlpTable(std::span<const MlpWeights* const> mlps) = 0;
  virtual void DoLinear(const LinearArgs& args) = 0;
  virtual void DoGroupAmax(const GroupAmaxArgs& args) = 0;
  virtual void DoBatchedLinear(const BatchedLinearArgs& args) = 0;
  virtual void DoGateUp(const GateUpArgs& args) = 0;
  virtual void DoGroupedMlp(const GroupedMlpArgs& args) = 0;
  virtual void DoRoutedMlp(const RoutedMlpArgs& args) = 0;
  virtual void DoEmbedding(const EmbeddingArgs& args) = 0;
  virtual void DoRmsNorm(const RmsNormArgs& args) = 0;
  virtual void DoAdd(const AddArgs& args) = 0;
  virtual void DoRope(const RopeArgs& args) = 0;
  virtual void DoGatherRows(const GatherRowsArgs& args) = 0;
  virtual void DoCast(const CastArgs& args) = 0;
  virtual void DoTreeSum(const TreeSumArgs& args) = 0;
  virtual void DoLargestPart(const LargestPartArgs& args) = 0;
  virtual void DoLatentWrite(const LatentWriteArgs& args) = 0;
  virtual void DoLatentGather(const LatentGatherArgs& args) = 0;
  virtual void DoLayOutKeys(const LayOutKeysArgs& args);
  virtual void DoPrefillAttention(const PrefillAttentionArgs& args) = 0;
  virtual void DoDecodeAttention(const DecodeAttentionArgs& args) = 0;
  virtual void DoGqaWrite(const GqaWriteArgs& args) = 0;
  virtual void DoGqaPrefill(const GqaPrefillArgs& args) = 0;
  virtual void DoGqaDecode(const GqaDecodeArgs& args) = 0;
  virtual void DoGate(const GateArgs& args) = 0;
  virtual void DoCombineRows(const CombineRowsArgs& args) = 0;
  virtual void DoPlaceTokens(const PlaceTokensArgs& args) = 0;
  virtual void DoRouteTokens(const RouteTokensArgs& args) = 0;
  virtual void DoDispatchTokens(const DispatchTokensArgs& args) = 0;
  virtual void DoReceiveTokens(const ReceiveTokensArgs& args) = 0;
  virtual void DoSelectRows(const SelectRowsArgs& args) = 0;
  virtual void DoEditLogits(const EditLogitsArgs& args) = 0;
  virtual void DoLogitMax(const LogitMaxArgs& args) = 0;
  virtual void DoLogitHistogram(const LogitHistogramArgs& args) = 0;
  virtual void DoLogitMassOf(const LogitMassArgs& args) = 0;
  virtual void DoLogitPick(const LogitPickArgs& args) = 0;
  virtual void DoLogitCollect(const LogitCollectArgs& args) = 0;
  virtual void DoLogitGather(const LogitGatherArgs& args) = 0;
};

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_OPS_H_
