// One rank's model put together by hand: for tests that look inside or call what a step does not.
#ifndef SWITCHYARD_TESTS_WORKER_MODELS_ENGINE_PARTS_H_
#define SWITCHYARD_TESTS_WORKER_MODELS_ENGINE_PARTS_H_

#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/units.h"
#include "cli/local_engine.h"
#include "coordinator/core/plan/sharding_planner.h"
#include "kernels/backend.h"
#include "worker/models/model_registry.h"
#include "worker/parallel/local_collectives.h"

namespace switchyard::testing {

// Keeps every tensor that layers show, by name and layer.
class KeptTrace final : public worker::Trace {
 public:
  struct Tensor {
    int64_t columns = 0;
    std::vector<float> floats;
    std::vector<int32_t> ints;
  };
  void Record(std::string_view name, int layer, const kernels::TensorView& view) override {
    Tensor& tensor = tensors_[{std::string(name), layer}];
    tensor = {.columns = view.RowElements()};
    for (int64_t row = 0; row < view.rows(); ++row) {
      if (view.dtype == kernels::DType::kI32) {
        const auto* from = view.row<const int32_t>(row);
        tensor.ints.insert(tensor.ints.end(), from, from + tensor.columns);
      } else {
        SY_CHECK(view.dtype == kernels::DType::kF32) << name;
        const auto* from = view.row<const float>(row);
        tensor.floats.insert(tensor.floats.end(), from, from + tensor.columns);
      }
    }
  }
  const Tensor& at(const std::string& name, int layer) const {
    const auto found = tensors_.find({name, layer});
    SY_CHECK(found != tensors_.end()) << name << " of layer " << layer << " was not shown";
    return found->second;
  }

 private:
  std::map<std::pair<std::string, int>, Tensor> tensors_;
};

class EngineParts {
 public:
  static constexpr int kMaxTokens = 512;

  EngineParts(const std::string& model_path, v1::ComputeMode mode, kernels::Compute compute,
              kernels::WeightForm form = kernels::WeightForm::kStored) {
    spec_ = *cli::ReadModelSpec(model_path);
    plan_ = *core::MakeShardPlan(spec_, {.compute = mode,
                                         .max_batched_tokens = kMaxTokens,
                                         .max_running = 8,
                                         .kv_num_blocks = kMaxTokens / 16});
    parallel_ = std::make_unique<worker::ParallelContext>(
        *worker::ParallelContext::Create(plan_, /*rank=*/0));
    ops_ = *kernels::MakeCpuBackend({});
    collectives_ = std::move(worker::MakeLocalCollectives(1)[0]);
    if (spec_.has_moe()) {
      exchanges_ = *worker::ExchangeSet::Create(plan_, *parallel_, *ops_, *collectives_);
    }
    arena_ = std::make_unique<worker::ActivationArena>(ops_->device(), 64 * kMiB);
    model_ = *worker::MakeModel(plan_, *parallel_, ops_->device());
    kv_ = std::make_unique<worker::KvStore>(
        ops_->device(),
        worker::MakeKvLayout(plan_, spec_.num_layers() + spec_.num_mtp_layers(), *ops_));
    context_.emplace(worker::LayerContext{.ops = *ops_,
                                          .compute = compute,
                                          .ue8m0_scales = false,
                                          .parallel = *parallel_,
                                          .tensor_group = *collectives_,
                                          .exchanges = exchanges_.get(),
                                          .arena = *arena_,
                                          .trace = &trace_});
    const auto checkpoint = *worker::Checkpoint::Open(model_path);
    worker::WeightLoader loader(
        checkpoint, *ops_, {.compute = compute, .form = form, .int4 = worker::Int4FormatOf(spec_)});
    model_->Load(loader, *context_);
    const absl::Status status = loader.Run();
    SY_CHECK(status.ok()) << status.ToString();
    table_.resize(plan_.kv().num_blocks());
    std::iota(table_.begin(), table_.end(), 0);
  }

  // Logits of every position of a prompt, [tokens, vocabulary].
  std::vector<float> Forward(const std::vector<int32_t>& tokens) {
    const worker::ForwardBatch batch = PromptBatch(tokens);
    std::vector<float> logits(tokens.size() * spec_.vocab_size());
    std::vector<float> hidden(tokens.size() * spec_.hidden_size());
    const absl::Status status =
        model_->Forward(*context_, batch, *kv_, View(hidden, spec_.hidden_size()),
                        View(logits, spec_.vocab_size()));
    SY_CHECK(status.ok()) << status.ToString();
    return logits;
  }

  // The same of the prediction block behind it: `hidden` [tokens, H] after the model's last norm,
  // `next` the token behind each.
  std::vector<float> ForwardMtp(std::vector<float> hidden, const std::vector<int32_t>& next) {
    return ForwardMtp(std::move(hidden), PromptBatch(next));
  }

  // Only what it caches of a prompt.
  void CacheMtp(std::vector<float> hidden, const std::vector<int32_t>& next) {
    const absl::Status status =
        model_->CacheMtp(*context_, PromptBatch(next), *kv_, View(hidden, spec_.hidden_size()));
    SY_CHECK(status.ok()) << status.ToString();
  }

  // Logits of one generated token behind that, at `position`.
  std::vector<float> GuessMtp(std::vector<float> hidden, int32_t next, int32_t position) {
    worker::ForwardBatch batch;
    batch.token_ids = {next};
    batch.positions = {position};
    batch.slots = {position};
    batch.decode_tables = {table_.data()};
    batch.output_rows = {0};
    return ForwardMtp(std::move(hidden), batch);
  }

  const KeptTrace& trace() const { return trace_; }
  const v1::ModelSpec& spec() const { return spec_; }

 private:
  static kernels::TensorView View(std::vector<float>& values, int64_t columns) {
    return {values.data(), kernels::DType::kF32, {std::ssize(values) / columns, columns}};
  }

  std::vector<float> ForwardMtp(std::vector<float> hidden, const worker::ForwardBatch& batch) {
    std::vector<float> logits(batch.output_rows.size() * spec_.vocab_size());
    std::vector<float> next_hidden(hidden.size());
    const absl::Status status = model_->ForwardMtp(
        *context_, batch, *kv_, View(hidden, spec_.hidden_size()),
        View(next_hidden, spec_.hidden_size()), View(logits, spec_.vocab_size()));
    SY_CHECK(status.ok()) << status.ToString();
    return logits;
  }

  worker::ForwardBatch PromptBatch(const std::vector<int32_t>& tokens) const {
    SY_CHECK_LE(std::ssize(tokens), int64_t{kMaxTokens});
    const auto count = static_cast<int32_t>(tokens.size());
    worker::ForwardBatch batch;
    batch.token_ids = tokens;
    batch.prefill.push_back({.num_rows = count, .table = table_});
    batch.num_prefill_rows = count;
    for (int32_t t = 0; t < count; ++t) {
      batch.positions.push_back(t);
      batch.slots.push_back(t);  // block i of the table is block i
      batch.output_rows.push_back(t);
    }
    return batch;
  }

  v1::ModelSpec spec_;
  v1::ShardPlan plan_;
  KeptTrace trace_;
  std::unique_ptr<worker::ParallelContext> parallel_;
  std::unique_ptr<kernels::Ops> ops_;
  std::unique_ptr<worker::Collectives> collectives_;
  std::unique_ptr<worker::ExchangeSet> exchanges_;  // null for dense models
  std::unique_ptr<worker::ActivationArena> arena_;
  std::unique_ptr<worker::Model> model_;
  std::unique_ptr<worker::KvStore> kv_;
  std::optional<worker::LayerContext> context_;
  std::vector<int32_t> table_;
};

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_WORKER_MODELS_ENGINE_PARTS_H_
