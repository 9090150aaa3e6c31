// The CPU backend: binds the interface to the kernels, one function each.
#include <string>
#include <utility>

#include "kernels/backend.h"
#include "kernels/cpu/activations.h"
#include "kernels/cpu/attention.h"
#include "kernels/cpu/cpu_device.h"
#include "kernels/cpu/linear.h"
#include "kernels/cpu/logits.h"
#include "kernels/cpu/moe.h"
#include "kernels/cpu/rows.h"

namespace switchyard::kernels {
namespace cpu {
namespace {

class CpuOps final : public Ops {
 public:
  CpuOps(const ThreadPool::Options& threads, Isa isa)
      : pool_(threads), cpu_{.pool = pool_, .isa = isa}, device_(isa) {}

  DType activation_dtype() const override { return DType::kF32; }
  Device& device() override { return device_; }
  int64_t pack_row_step() const override { return kPackRowStep; }
  bool packs_integers() const override { return true; }
  std::string packed_form() const override { return "cpu-" + device_.isa() + "-1"; }
  int64_t QuantisedBytes(int64_t rows, int64_t columns) const override {
    return cpu::QuantisedBytes(KernelsFor(cpu_.isa), rows, columns);
  }
  int64_t KeyTileBytes(const KeyTileShape& shape) const override {
    return cpu::KeyTileBytes(shape);
  }

 private:
  std::unique_ptr<PackedLinear> DoPack(const LinearSource& source) override {
    return cpu::Pack(cpu_, device_, source);
  }
  std::unique_ptr<PackedLinear> DoPackGateUp(const LinearSource& gate,
                                             const LinearSource& up) override {
    return cpu::PackGateUp(cpu_, device_, gate, up);
  }
  std::unique_ptr<PackedLinear> DoStartPack(const LinearSource& rows, const LinearSource* up,
                                            int64_t n) override {
    return cpu::StartPack(cpu_, device_, rows, up, n);
  }
  void DoPackRows(const LinearSource& rows, const LinearSource* up, int64_t row_begin,
                  PackedLinear* packed) override {
    cpu::PackRows(cpu_, rows, up, row_begin, packed);
  }
  absl::StatusOr<std::unique_ptr<PackedLinear>> DoRestore(const PackedForm& form,
                                                          Buffer memory) override {
    return cpu::Restore(cpu_, form, std::move(memory));
  }
  std::unique_ptr<MlpTable> DoMakeMlpTable(std::span<const MlpWeights* const> mlps) override {
    return std::make_unique<MlpTable>(mlps);
  }
  void DoLinear(const LinearArgs& args) override { cpu::Linear(cpu_, args); }
  void DoGroupAmax(const GroupAmaxArgs& args) override { cpu::GroupAmax(cpu_, args); }
  void DoBatchedLinear(const BatchedLinearArgs& args) override { cpu::BatchedLinear(cpu_, args); }
  void DoGateUp(const GateUpArgs& args) override { cpu::GateUp(cpu_, args); }
  void DoGroupedMlp(const GroupedMlpArgs& args) override { cpu::GroupedMlp(cpu_, args); }
  void DoRoutedMlp(const RoutedMlpArgs& args) override { cpu::RoutedMlp(cpu_, args); }
  void DoEmbedding(const EmbeddingArgs& args) override { cpu::Embedding(cpu_, args); }
  void DoRmsNorm(const RmsNormArgs& args) override { cpu::RmsNorm(cpu_, args); }
  void DoAdd(const AddArgs& args) override { cpu::Add(cpu_, args); }
  void DoRope(const RopeArgs& args) override { cpu::Rope(cpu_, args); }
  void DoGatherRows(const GatherRowsArgs& args) override { cpu::GatherRows(cpu_, args); }
  void DoCast(const CastArgs& args) override { cpu::Cast(cpu_, args); }
  void DoTreeSum(const TreeSumArgs& args) override { cpu::TreeSum(cpu_, args); }
  void DoLargestPart(const LargestPartArgs& args) override { cpu::LargestPart(cpu_, args); }
  void DoLatentWrite(const LatentWriteArgs& args) override { cpu::LatentWrite(cpu_, args); }
  void DoLatentGather(const LatentGatherArgs& args) override { cpu::LatentGather(cpu_, args); }
  void DoLayOutKeys(const LayOutKeysArgs& args) override { cpu::LayOutKeys(cpu_, args); }
  void DoPrefillAttention(const PrefillAttentionArgs& args) override {
    cpu::PrefillAttention(cpu_, args);
  }
  void DoDecodeAttention(const DecodeAttentionArgs& args) override {
    cpu::DecodeAttention(cpu_, args);
  }
  void DoGqaWrite(const GqaWriteArgs& args) override { cpu::GqaWrite(cpu_, args); }
  void DoGqaPrefill(const GqaPrefillArgs& args) override { cpu::GqaPrefill(cpu_, args); }
  void DoGqaDecode(const GqaDecodeArgs& args) override { cpu::GqaDecode(cpu_, args); }
  void DoGate(const GateArgs& args) override { cpu::Gate(cpu_, args); }
  void DoCombineRows(const CombineRowsArgs& args) override { cpu::CombineRows(cpu_, args); }
  void DoPlaceTokens(const PlaceTokensArgs& args) override { cpu::PlaceTokens(cpu_, args); }
  void DoRouteTokens(const RouteTokensArgs& args) override { cpu::RouteTokens(cpu_, args); }
  void DoDispatchTokens(const DispatchTokensArgs& args) override {
    cpu::DispatchTokens(cpu_, args);
  }
  void DoReceiveTokens(const ReceiveTokensArgs& args) override { cpu::ReceiveTokens(cpu_, args); }
  void DoSelectRows(const SelectRowsArgs& args) override { cpu::SelectRows(cpu_, args); }
  void DoEditLogits(const EditLogitsArgs& args) override { cpu::EditLogits(cpu_, args); }
  void DoLogitMax(const LogitMaxArgs& args) override { cpu::LogitMax(cpu_, args); }
  void DoLogitHistogram(const LogitHistogramArgs& args) override {
    cpu::LogitHistogram(cpu_, args);
  }
  void DoLogitMassOf(const LogitMassArgs& args) override { cpu::LogitMassOf(cpu_, args); }
  void DoLogitPick(const LogitPickArgs& args) override { cpu::LogitPick(cpu_, args); }
  void DoLogitCollect(const LogitCollectArgs& args) override { cpu::LogitCollect(cpu_, args); }
  void DoLogitGather(const LogitGatherArgs& args) override { cpu::LogitGather(cpu_, args); }

  ThreadPool pool_;
  const CpuContext cpu_;
  CpuDevice device_;
};

}  // namespace
}  // namespace cpu

absl::StatusOr<std::unique_ptr<Ops>> MakeCpuBackend(const CpuBackendOptions& options) {
  SY_ASSIGN_OR_RETURN(const cpu::Isa isa, cpu::ChooseIsa(options.isa));
  SY_ASSIGN_OR_RETURN(const cpu::ThreadPool::Options threads, cpu::ChooseThreads(options));
  return std::make_unique<cpu::CpuOps>(threads, isa);
}

}  // namespace switchyard::kernels
