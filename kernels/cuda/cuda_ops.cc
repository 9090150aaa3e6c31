// Binds the interface to the kernels, one function each.
#include "kernels/cuda/cuda_ops.h"

#include "kernels/cuda/attention.h"
#include "kernels/cuda/cuda_recording.h"
#include "kernels/cuda/gemm_job.h"
#include "kernels/cuda/linear.h"
#include "kernels/cuda/linear_matrix.h"
#include "kernels/cuda/logits.h"
#include "kernels/cuda/moe.h"
#include "kernels/cuda/rows.h"

namespace switchyard::kernels::cuda {
namespace {

class CudaOps final : public Ops {
 public:
  explicit CudaOps(CudaDevice& device) : cuda_(device) {}

  DType activation_dtype() const override { return DType::kBf16; }
  Device& device() override { return cuda_.device; }
  std::string packed_form() const override { return "cuda-" + cuda_.device.isa() + "-2"; }
  int64_t QuantisedBytes(int64_t rows, int64_t columns) const override {
    return cuda::QuantisedBytes(rows, columns);
  }

  bool records() const override { return true; }
  void BeginRecording() override {
    SY_CHECK(recording_ == nullptr) << "a recording has begun";
    recording_ = std::make_unique<CudaRecording>(cuda_);
  }
  std::unique_ptr<Recording> EndRecording() override {
    SY_CHECK(recording_ != nullptr) << "no recording has begun";
    recording_->End();
    return std::move(recording_);
  }

 private:
  std::unique_ptr<PackedLinear> DoPack(const LinearSource& source) override {
    return cuda::Pack(cuda_, source);
  }
  std::unique_ptr<PackedLinear> DoPackGateUp(const LinearSource& gate,
                                             const LinearSource& up) override {
    return cuda::PackGateUp(cuda_, gate, up);
  }
  absl::StatusOr<std::unique_ptr<PackedLinear>> DoRestore(const PackedForm& form,
                                                          Buffer memory) override {
    return cuda::Restore(form, std::move(memory));
  }
  std::unique_ptr<MlpTable> DoMakeMlpTable(std::span<const MlpWeights* const> mlps) override {
    return cuda::MakeMlpTable(cuda_, mlps);
  }
  void DoLinear(const LinearArgs& args) override { cuda::Linear(cuda_, args); }
  void DoGroupAmax(const GroupAmaxArgs& args) override { cuda::GroupAmax(cuda_, args); }
  void DoBatchedLinear(const BatchedLinearArgs& args) override { cuda::BatchedLinear(cuda_, args); }
  void DoGateUp(const GateUpArgs& args) override { cuda::GateUp(cuda_, args); }
  void DoGroupedMlp(const GroupedMlpArgs& args) override { cuda::GroupedMlp(cuda_, args); }
  void DoRoutedMlp(const RoutedMlpArgs& args) override { cuda::RoutedMlp(cuda_, args); }
  void DoEmbedding(const EmbeddingArgs& args) override { cuda::Embedding(cuda_, args); }
  void DoRmsNorm(const RmsNormArgs& args) override { cuda::RmsNorm(cuda_, args); }
  void DoAdd(const AddArgs& args) override { cuda::Add(cuda_, args); }
  void DoRope(const RopeArgs& args) override { cuda::Rope(cuda_, args); }
  void DoGatherRows(const GatherRowsArgs& args) override { cuda::GatherRows(cuda_, args); }
  void DoCast(const CastArgs& args) override { cuda::Cast(cuda_, args); }
  void DoTreeSum(const TreeSumArgs& args) override { cuda::TreeSum(cuda_, args); }
  void DoLargestPart(const LargestPartArgs& args) override { cuda::LargestPart(cuda_, args); }
  void DoLatentWrite(const LatentWriteArgs& args) override { cuda::LatentWrite(cuda_, args); }
  void DoLatentGather(const LatentGatherArgs& args) override { cuda::LatentGather(cuda_, args); }
  void DoPrefillAttention(const PrefillAttentionArgs& args) override {
    cuda::PrefillAttention(cuda_, args);
  }
  void DoDecodeAttention(const DecodeAttentionArgs& args) override {
    cuda::DecodeAttention(cuda_, args);
  }
  void DoGqaWrite(const GqaWriteArgs& args) override { cuda::GqaWrite(cuda_, args); }
  void DoGqaPrefill(const GqaPrefillArgs& args) override { cuda::GqaPrefill(cuda_, args); }
  void DoGqaDecode(const GqaDecodeArgs& args) override { cuda::GqaDecode(cuda_, args); }
  void DoGate(const GateArgs& args) override { cuda::Gate(cuda_, args); }
  void DoCombineRows(const CombineRowsArgs& args) override { cuda::CombineRows(cuda_, args); }
  void DoPlaceTokens(const PlaceTokensArgs& args) override { cuda::PlaceTokens(cuda_, args); }
  void DoRouteTokens(const RouteTokensArgs& args) override { cuda::RouteTokens(cuda_, args); }
  void DoDispatchTokens(const DispatchTokensArgs& args) override {
    cuda::DispatchTokens(cuda_, args);
  }
  void DoReceiveTokens(const ReceiveTokensArgs& args) override { cuda::ReceiveTokens(cuda_, args); }
  void DoSelectRows(const SelectRowsArgs& args) override { cuda::SelectRows(cuda_, args); }
  void DoEditLogits(const EditLogitsArgs& args) override { cuda::EditLogits(cuda_, args); }
  void DoLogitMax(const LogitMaxArgs& args) override { cuda::LogitMax(cuda_, args); }
  void DoLogitHistogram(const LogitHistogramArgs& args) override {
    cuda::LogitHistogram(cuda_, args);
  }
  void DoLogitMassOf(const LogitMassArgs& args) override { cuda::LogitMassOf(cuda_, args); }
  void DoLogitPick(const LogitPickArgs& args) override { cuda::LogitPick(cuda_, args); }
  void DoLogitCollect(const LogitCollectArgs& args) override { cuda::LogitCollect(cuda_, args); }
  void DoLogitGather(const LogitGatherArgs& args) override { cuda::LogitGather(cuda_, args); }

  CudaContext cuda_;
  std::unique_ptr<CudaRecording> recording_;  // that has begun
};

}  // namespace

std::unique_ptr<Ops> MakeCudaOps(CudaDevice& device) { return std::make_unique<CudaOps>(device); }

}  // namespace switchyard::kernels::cuda
