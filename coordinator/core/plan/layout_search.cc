#include "coordinator/core/plan/layout_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/units.h"
#include "coordinator/core/plan/kv_kinds.h"
#include "coordinator/core/plan/plan_check.h"
#include "coordinator/core/plan/sharding_planner.h"
#include "coordinator/core/plan/topology.h"
#include "coordinator/core/plan/weight_form.h"

namespace switchyard::core {
namespace {

constexpr int64_t kDefaultRunningOfDevice = 128;
constexpr int64_t kMaxContext = int64_t{1} << 24;
constexpr int64_t kMaxClusterRunning = int64_t{1} << 26;

absl::Status CheckRequest(const LayoutRequest& request) {
  const ClusterShape& cluster = request.cluster;
  const Load& load = request.load;
  const auto fault = [](std::string_view name, int64_t value, int64_t min, int64_t max) {
    return absl::InvalidArgumentError(
        fmt::format("{} = {}: must be from {} to {}", name, value, min, max));
  };
  if (cluster.hosts < 1 || cluster.hosts > kMaxHosts)
    return fault("hosts", cluster.hosts, 1, kMaxHosts);
  if (cluster.devices_per_host < 1 || cluster.devices_per_host > kMaxDevicesPerHost)
    return fault("devices of a host", cluster.devices_per_host, 1, kMaxDevicesPerHost);
  const int64_t longest = request.model.max_position_embeddings();
  if (load.context < 1 || load.context > std::min(longest, kMaxContext))
    return fault("context", load.context, 1, std::min(longest, kMaxContext));
  if (load.max_running < 0 || load.max_running > kMaxRunning)
    return fault("max_running", load.max_running, 0, kMaxRunning);
  if (load.running < 0 || load.running > kMaxClusterRunning)
    return fault("running", load.running, 0, kMaxClusterRunning);
  if (request.weights != v1::WEIGHT_FORM_STORED && cluster.device.backend == BackendKind::kCuda) {
    return absl::InvalidArgumentError(fmt::format(
        "weights = {}: GPUs take weights as they are stored", WeightFormName(request.weights)));
  }
  const int64_t experts = request.model.has_moe() ? request.model.moe().num_routed_experts() : 0;
  if (request.redundant_experts < 0 || request.redundant_experts > experts)
    return fault("redundant experts", request.redundant_experts, 0, experts);
  return absl::OkStatus();
}

absl::Status CheckFilter(const LayoutRequest& request) {
  const LayoutFilter& only = request.only;
  const int64_t dp = only.data_parallel, tp = only.tensor_parallel, ep = only.expert_parallel;
  const int64_t devices = request.cluster.num_devices();
  if (dp == 0 || tp == 0) return absl::OkStatus();
  SY_RETURN_IF_ERROR(CheckLayout(request.model, only.data_parallel, only.tensor_parallel));
  if (dp * tp > devices) {
    return absl::InvalidArgumentError(
        fmt::format("layout {}x{} has {} ranks, the cluster {} devices; layouts that work: {}", dp,
                    tp, dp * tp, devices, NearestLayouts(request.model, devices)));
  }
  if (ep > 0 && ep != dp * tp) {
    return absl::InvalidArgumentError(fmt::format(
        "ep = {}: experts are spread over all ranks of the layout {}x{}, so it must be {}", ep, dp,
        tp, dp * tp));
  }
  return absl::OkStatus();
}

// How often a layout runs on the cluster: a copy takes whole hosts, or shares one.
int64_t CopiesOf(const ClusterShape& cluster, int64_t ranks) {
  const int64_t per_host = cluster.devices_per_host;
  return ranks <= per_host ? cluster.hosts * (per_host / ranks)
                           : cluster.hosts / CeilDiv(ranks, per_host);
}

class OneLayout {
 public:
  OneLayout(const LayoutRequest& request, int32_t dp, int32_t tp)
      : request_(request), backend_(request.cluster.device.backend) {
    result_.copies = CopiesOf(request.cluster, int64_t{dp} * tp);
    plan_request_ = {.data_parallel = dp,
                     .tensor_parallel = tp,
                     .backend = backend_,
                     .redundant_experts = request.redundant_experts,
                     .compute = request.compute,
                     .weights = request.weights,
                     .max_batched_tokens = request.load.max_batched_tokens,
                     .max_running = 1,
                     .micro_batch_tokens = request.load.micro_batch_tokens,
                     .drafts = request.drafts,
                     .kv_block_tokens = request.kv_block_tokens,
                     .kv_num_blocks = 1,
                     .expanded_bytes_per_rank = 0};
  }

  absl::StatusOr<LayoutPlan> Make() {
    SY_ASSIGN_OR_RETURN(result_.plan, MakeShardPlan(request_.model, plan_request_));
    result_.rank = FullestRank(result_.plan);
    result_.memory_limit =
        static_cast<int64_t>(request_.cluster.device.memory_bytes.value * (1 - kAssumedReserve));
    SetLimits(1);
    result_.shortfall = std::max<int64_t>(0, -Spare(1));
    const int64_t groups = result_.copies * plan_request_.data_parallel;
    const int64_t devices = request_.cluster.num_devices();
    const int64_t total =
        request_.load.running > 0 ? request_.load.running : kDefaultRunningOfDevice * devices;
    const int64_t most = request_.load.max_running > 0 ? request_.load.max_running : kMaxRunning;
    const int64_t wanted = std::clamp<int64_t>(CeilDiv(total, groups), 1, most);
    if (!result_.fits()) {
      result_.memory = Memory();
      return std::move(result_);
    }
    result_.running = MostRunning(wanted);
    result_.limited_by_cache = result_.running < wanted;
    SY_RETURN_IF_ERROR(SizeCache());
    Bound();
    return std::move(result_);
  }

 private:
  RankMemory Memory() const {
    return MemoryOfRank(result_.plan, result_.rank,
                        {.backend = backend_, .redundant_experts = request_.redundant_experts});
  }

  void SetLimits(int64_t running) {
    v1::StepLimits* limits = result_.plan.mutable_limits();
    const int64_t most = std::max<int64_t>(running, request_.load.max_running);
    limits->set_max_running(static_cast<int32_t>(most));
    limits->set_max_batched_tokens(
        static_cast<int32_t>(std::max<int64_t>(most, request_.load.max_batched_tokens)));
    result_.plan.mutable_kv()->set_num_blocks(0);
    SetKvKinds(&result_.plan);
    result_.plan.mutable_kv()->set_expanded_tokens(0);
  }

  int64_t BlocksOf(int64_t running) const {
    return running * CeilDiv(request_.load.context, request_.kv_block_tokens);
  }

  // Bytes that are left beside a cache for so many requests. Of the cache's memory the planner
  // gives a sixteenth to prompts in progress.
  int64_t Spare(int64_t running) {
    SetLimits(running);
    const RankMemory memory = Memory();
    const int64_t cache = KvBytesOf(result_.plan, BlocksOf(running), backend_);
    return result_.memory_limit - memory.Fixed() - memory.Beside() - CeilDiv(cache * 16, 15);
  }

  // REQUIRES: one fits.
  int64_t MostRunning(int64_t wanted) {
    int64_t fits = 1, too_many = wanted + 1;
    if (Spare(wanted) >= 0) return wanted;
    while (too_many - fits > 1) {
      const int64_t middle = fits + (too_many - fits) / 2;
      (Spare(middle) >= 0 ? fits : too_many) = middle;
    }
    return fits;
  }

  // As the coordinator does it, with the memory that the device has.
  absl::Status SizeCache() {
    SetLimits(result_.running);
    plan_request_.max_running = result_.plan.limits().max_running();
    plan_request_.max_batched_tokens = result_.plan.limits().max_batched_tokens();
    plan_request_.kv_num_blocks = 0;
    plan_request_.memory_bytes_per_rank = result_.memory_limit - Memory().Beside();
    plan_request_.expanded_bytes_per_rank = PlanRequest::kSixteenth;
    SY_ASSIGN_OR_RETURN(result_.plan, MakeShardPlan(request_.model, plan_request_));
    result_.memory = Memory();
    return absl::OkStatus();
  }

  // GPUs widen FP8 weights for products in BF16. Of 4 bits some keep 8: a bound is less.
  kernels::DType WeightType() const {
    if (request_.weights == v1::WEIGHT_FORM_Q8) return kernels::DType::kI8;
    if (request_.weights == v1::WEIGHT_FORM_Q4) return kernels::DType::kU4;
    if (!request_.model.has_fp8() || request_.compute == v1::COMPUTE_MODE_F32) {
      return kernels::DType::kBf16;
    }
    const bool kept = request_.compute == v1::COMPUTE_MODE_W8A8 || backend_ == BackendKind::kCpu;
    return kept ? kernels::DType::kF8E4M3 : kernels::DType::kBf16;
  }

  // GPUs multiply weights of 4 bits as they are, whole numbers only in BF16.
  bool KeepsCodes() const {
    return backend_ == BackendKind::kCuda &&
           (request_.model.moe().mxfp4() || request_.compute == v1::COMPUTE_MODE_BF16);
  }

  void Bound() {
    const v1::Layout& layout = result_.plan.layout();
    const int64_t ranks = result_.ranks();
    const int64_t experts = request_.model.has_moe() ? request_.model.moe().num_routed_experts() +
                                                           request_.redundant_experts
                                                     : 0;
    const double wire =
        request_.compute == v1::COMPUTE_MODE_BF16 ? 2 : double(ActivationElementBytes(backend_));
    StepShape shape{.rows = result_.running,
                    .context = request_.load.context,
                    .tensor_parallel = layout.tensor_parallel(),
                    .experts_per_gpu = CeilDiv(experts, ranks),
                    .gpus = ranks,
                    .gpus_per_node = request_.cluster.devices_per_host,
                    .weight = WeightType(),
                    .fp8_products = request_.compute == v1::COMPUTE_MODE_W8A8,
                    .keeps_codes = KeepsCodes(),
                    .cache_element_bytes = double(CacheElementBytes(backend_, request_.compute)),
                    .exchange = {.once = ExchangeForm::Once::kRank,
                                 .dispatch_element_bytes = wire,
                                 .combine_element_bytes = wire}};
    const double groups = double(result_.copies * layout.data_parallel());
    const DeviceFigures& device = request_.cluster.device;
    result_.decode_shape = shape;
    result_.decode = SecondsOf(StepBound(request_.model, shape), device);
    result_.decode_tokens_per_s = groups * double(shape.rows) / result_.decode.total();
    shape.decode = false;
    shape.rows = result_.plan.limits().max_batched_tokens();
    result_.prefill_shape = shape;
    result_.prefill = SecondsOf(StepBound(request_.model, shape), device);
    result_.prefill_tokens_per_s = groups * double(shape.rows) / result_.prefill.total();
  }

  const LayoutRequest& request_;
  const BackendKind backend_;
  PlanRequest plan_request_;
  LayoutPlan result_;
};

}  // namespace

std::string LayoutPlan::DecodeLimit() const {
  return fmt::format("{}{}", Name(decode.limit()), limited_by_cache ? ", KV" : "");
}

absl::StatusOr<std::vector<LayoutPlan>> SearchLayouts(const LayoutRequest& request) {
  SY_RETURN_IF_ERROR(CheckRequest(request));
  SY_RETURN_IF_ERROR(CheckFilter(request));
  const LayoutFilter& only = request.only;
  const int64_t devices = request.cluster.num_devices();
  const int64_t most = std::min<int64_t>(devices, MaxWorld(request.model));
  const bool any_size = only.data_parallel == 0 && only.expert_parallel == 0;
  std::vector<LayoutPlan> plans;
  for (int32_t tp = 1; tp <= std::min<int64_t>(VirtualShards(request.model), most); tp *= 2) {
    if (only.tensor_parallel != 0 && only.tensor_parallel != tp) continue;
    for (int64_t dp = most / tp; dp >= 1; --dp) {
      if (only.data_parallel != 0 && only.data_parallel != dp) continue;
      if (only.expert_parallel != 0 && only.expert_parallel != dp * tp) continue;
      // Of layouts that run as often, the largest stands for all.
      const int64_t copies = CopiesOf(request.cluster, dp * tp);
      const bool largest = dp == most / tp || CopiesOf(request.cluster, (dp + 1) * tp) < copies;
      if (any_size && !largest) continue;
      SY_ASSIGN_OR_RETURN(LayoutPlan plan, OneLayout(request, static_cast<int32_t>(dp), tp).Make());
      plans.push_back(std::move(plan));
    }
  }
  if (plans.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("no layout of the model on {} devices is as asked; layouts that work: {}",
                    devices, NearestLayouts(request.model, devices)));
  }
  std::stable_sort(plans.begin(), plans.end(), [](const LayoutPlan& a, const LayoutPlan& b) {
    return std::tuple(a.shortfall, -a.decode_tokens_per_s) <
           std::tuple(b.shortfall, -b.decode_tokens_per_s);
  });
  return plans;
}

absl::StatusOr<NearestFit> FindNearestFit(LayoutRequest request, int32_t most) {
  request.only = {};
  for (; request.cluster.hosts <= most; ++request.cluster.hosts) {
    SY_ASSIGN_OR_RETURN(std::vector<LayoutPlan> plans, SearchLayouts(request));
    const auto end = std::find_if(plans.begin(), plans.end(),
                                  [](const LayoutPlan& plan) { return !plan.fits(); });
    if (end == plans.begin()) continue;
    plans.erase(end, plans.end());
    return NearestFit{.hosts = request.cluster.hosts, .layouts = std::move(plans)};
  }
  return absl::NotFoundError(fmt::format("no layout fits {} hosts of that kind, or fewer", most));
}

}  // namespace switchyard::core
