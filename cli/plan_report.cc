#include "cli/plan_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "coordinator/core/plan/kv_kinds.h"

namespace switchyard::cli {
namespace {

using core::Figure;
using core::LayoutPlan;
using core::LayoutRequest;

// One kind of memory of a rank.
struct Kind {
  std::string_view name;  // of people
  std::string_view key;   // of JSON
  int64_t bytes;
  std::string_view source = "computed";
};

std::vector<Kind> KindsOf(const core::RankMemory& memory) {
  const core::WeightBytes& weights = memory.weights;
  return {
      {"weights: embedding", "embedding", weights.embedding},
      {"weights: head", "head", weights.head},
      {"weights: attention", "attention", weights.attention},
      {"weights: attention, absorbed", "absorbed", weights.absorbed},
      {"weights: dense MLPs", "dense_mlp", weights.dense_mlp},
      {"weights: gates", "gate", weights.gate},
      {"weights: shared experts", "shared_experts", weights.shared_experts},
      {"weights: routed experts", "routed_experts", weights.routed_experts},
      {"weights: MTP projection", "mtp_projection", weights.mtp_projection},
      {"weights: norms", "norms", weights.norms},
      {"rotary table", "rope_table", memory.rope_table},
      {"activation arena", "arena", memory.arena},
      {"sampling across ranks", "gather", memory.gather},
      {"exchange, worst case", "exchange", memory.exchange},
      {"working memory, worst case", "working", memory.working},
      {"staging", "staging", memory.staging},
      {"recorded steps", "graphs", memory.graphs},
      {"collectives (NCCL)", "collectives", memory.collectives, "assumed"},
      {"CUDA context", "context", memory.context, "assumed"},
  };
}

std::string Grouped(int64_t value) {
  std::string digits = fmt::format("{}", std::abs(value));
  for (int64_t i = std::ssize(digits) - 3; i > 0; i -= 3)
    digits.insert(static_cast<size_t>(i), ",");
  return (value < 0 ? "-" : "") + digits;
}

std::string Row(std::string_view name, int64_t bytes, std::string_view source) {
  return fmt::format("  {:<30}{:>18}{:>11.3f}  {}\n", name, Grouped(bytes),
                     double(bytes) / double(kGiB), source);
}

std::string_view ComputeName(v1::ComputeMode compute) {
  switch (compute) {
    case v1::COMPUTE_MODE_W8A8:
      return "w8a8";
    case v1::COMPUTE_MODE_F32:
      return "f32";
    default:
      return "bf16";
  }
}

std::string_view DraftName(const v1::DraftPlan& drafts) {
  switch (drafts.method()) {
    case v1::DRAFT_METHOD_MTP:
      return "mtp";
    case v1::DRAFT_METHOD_NGRAM:
      return "ngram";
    default:
      return drafts.max_forced() > 0 ? "auto" : "off";
  }
}

// What the cache holds.
std::string CacheText(const LayoutRequest& request, const LayoutPlan& layout) {
  const v1::KvPlan& kv = layout.plan.kv();
  const core::KvTokenBytes token =
      core::KvTokenBytesOf(layout.plan, request.cluster.device.backend);
  std::string text = fmt::format(
      "\n  {} blocks of {} tokens, {} tokens of {} bytes: {} requests of {} tokens\n"
      "  of each group, which is asked to run {}.\n",
      Grouped(kv.num_blocks()), kv.block_tokens(), Grouped(layout.kv_tokens()),
      Grouped(token.others), Grouped(layout.kv_tokens() / request.load.context),
      Grouped(request.load.context), Grouped(layout.running));
  if (kv.num_window_blocks() == 0) return text;
  return text + fmt::format(
                    "  Layers with a window of {} tokens have {} blocks of their own, {} bytes for "
                    "each token.\n",
                    Grouped(kv.window()), Grouped(kv.num_window_blocks()), Grouped(token.windowed));
}

std::string MemoryText(const LayoutRequest& request, const LayoutPlan& layout) {
  const core::RankMemory& memory = layout.memory;
  const auto device = static_cast<int64_t>(request.cluster.device.memory_bytes.value);
  std::string text = fmt::format("\n  {:<30}{:>18}{:>11}\n", "memory of a rank", "bytes", "GiB");
  for (const Kind& kind : KindsOf(memory)) {
    if (kind.bytes > 0) text += Row(kind.name, kind.bytes, kind.source);
  }
  text += Row("reserve", device - layout.memory_limit, "assumed");
  text += Row("device", device, Name(request.cluster.device.memory_bytes.source));
  const int64_t left = layout.memory_limit - memory.Fixed() - memory.Beside();
  text += Row("left for the cache", left, "computed");
  if (!layout.fits()) {
    return text + Row("missing for one request", layout.shortfall, "computed");
  }
  text += Row("KV blocks", memory.kv_blocks, "computed");
  text += Row("prompts in progress", memory.kv_expanded, "computed");
  text += CacheText(request, layout);
  const v1::StepLimits& limits = layout.plan.limits();
  return text + fmt::format(
                    "  Start such a cluster with --compute {} --drafts {} --max-batched-tokens {} "
                    "--max-running {},\n  each worker with --memory {}.\n",
                    ComputeName(request.compute), DraftName(request.drafts),
                    limits.max_batched_tokens(), limits.max_running(),
                    layout.memory_limit - memory.Beside());
}

std::string_view LimitOf(const core::OpBound& op, const core::DeviceFigures& device) {
  if (op.unit == core::Unit::kNetwork) return "network";
  if (op.unit == core::Unit::kLink) return "link";
  return op.LimitedByMemory(device) ? "HBM" : "FLOPs";
}

std::string StepText(const LayoutRequest& request, std::string_view name,
                     const core::StepShape& shape, const core::StepSeconds& seconds,
                     double tokens_per_s) {
  const core::DeviceFigures& device = request.cluster.device;
  std::string text = fmt::format(
      "\n  {}: {} tokens of each group, {} {}, {} experts on a rank\n"
      "  {:<42}{:>12}{:>14}{:>12}  {}\n",
      name, Grouped(shape.rows), shape.decode ? "after" : "of prompts of",
      fmt::format("{} tokens", Grouped(shape.context)), shape.experts_per_gpu, "bound of a rank",
      "GB", "GFLOP", "ms", "limit");
  for (const core::OpBound& op : StepBound(request.model, shape)) {
    if (op.cost.bytes == 0) continue;
    text += fmt::format("  {:<42}{:>12.3f}{:>14.1f}{:>12.3f}  {}\n", op.name, op.cost.bytes / 1e9,
                        op.cost.flops / 1e9, 1e3 * op.Seconds(device), LimitOf(op, device));
  }
  return text + fmt::format(
                    "  computing {:.3f} ms, link {:.3f} ms, network {:.3f} ms, each hidden behind "
                    "the longest:\n  at most {} tokens/s of the cluster, {:.0f} of each device; "
                    "limit: {}\n",
                    1e3 * seconds.computing(), 1e3 * seconds.link, 1e3 * seconds.network,
                    Grouped(static_cast<int64_t>(tokens_per_s)),
                    tokens_per_s / double(request.cluster.num_devices()), Name(seconds.limit()));
}

Json StepJson(const LayoutRequest& request, const core::StepShape& shape,
              const core::StepSeconds& seconds, double tokens_per_s) {
  const core::DeviceFigures& device = request.cluster.device;
  Json ops = Json::array();
  for (const core::OpBound& op : StepBound(request.model, shape)) {
    ops.push_back({{"op", op.name},
                   {"bytes", op.cost.bytes},
                   {"flops", op.cost.flops},
                   {"seconds", op.Seconds(device)},
                   {"limit", LimitOf(op, device)}});
  }
  return {{"rows_of_group", shape.rows},
          {"context", shape.context},
          {"computing_seconds", seconds.computing()},
          {"link_seconds", seconds.link},
          {"network_seconds", seconds.network},
          {"tokens_per_second", tokens_per_s},
          {"limit", Name(seconds.limit())},
          {"ops", std::move(ops)}};
}

Json LayoutJson(const LayoutRequest& request, const LayoutPlan& layout) {
  const core::RankMemory& memory = layout.memory;
  Json bytes = Json::object();
  for (const Kind& kind : KindsOf(memory)) {
    bytes[std::string(kind.key)] = {{"bytes", kind.bytes}, {"source", kind.source}};
  }
  const auto device = static_cast<int64_t>(request.cluster.device.memory_bytes.value);
  bytes["reserve"] = {{"bytes", device - layout.memory_limit}, {"source", "assumed"}};
  Json json = {{"dp", layout.plan.layout().data_parallel()},
               {"tp", layout.plan.layout().tensor_parallel()},
               {"ep", layout.ranks()},
               {"copies", layout.copies},
               {"fits", layout.fits()},
               {"shortfall_bytes", layout.shortfall},
               {"rank", layout.rank},
               {"memory", std::move(bytes)},
               {"left_for_cache_bytes", layout.memory_limit - memory.Fixed() - memory.Beside()}};
  if (!layout.fits()) return json;
  json["worker_memory_bytes"] = layout.memory_limit - memory.Beside();
  const core::KvTokenBytes token =
      core::KvTokenBytesOf(layout.plan, request.cluster.device.backend);
  json["kv"] = {{"blocks", layout.plan.kv().num_blocks()},
                {"token_bytes", token.others},
                {"window_blocks", layout.plan.kv().num_window_blocks()},
                {"window_token_bytes", token.windowed},
                {"block_tokens", layout.plan.kv().block_tokens()},
                {"tokens", layout.kv_tokens()},
                {"bytes", memory.kv_blocks},
                {"expanded_bytes", memory.kv_expanded}};
  json["running_of_group"] = layout.running;
  json["limit"] = layout.DecodeLimit();
  json["decode"] =
      StepJson(request, layout.decode_shape, layout.decode, layout.decode_tokens_per_s);
  json["prefill"] =
      StepJson(request, layout.prefill_shape, layout.prefill, layout.prefill_tokens_per_s);
  return json;
}

Json FigureJson(const Figure& figure) {
  return {{"value", figure.value}, {"source", Name(figure.source)}};
}

// Bytes that the ranks of one host read to load, each its own.
std::string LoadText(const LayoutRequest& request, const LayoutPlan& layout) {
  const Figure& disk = request.cluster.disk_bytes_per_s;
  if (disk.value <= 0) return "";
  const core::WeightBytes bytes = core::RankWeightBytes(layout.plan, layout.rank);
  const int64_t ranks =
      std::min<int64_t>(request.cluster.devices_per_host, layout.ranks() * layout.copies);
  const int64_t read = (bytes.Total() - bytes.absorbed) * ranks;
  return fmt::format(
      "\n  loading: the {} ranks of a host read {} bytes, in {:.1f} s at least at "
      "{:.2f} GB/s ({})\n",
      ranks, Grouped(read), double(read) / disk.value, disk.value / 1e9, Name(disk.source));
}

}  // namespace

std::string LayoutName(const LayoutPlan& layout) {
  return fmt::format("{}x{}", layout.plan.layout().data_parallel(),
                     layout.plan.layout().tensor_parallel());
}

std::string PlaceName(const LayoutRequest& request, const LayoutPlan& layout) {
  return fmt::format("{} on {} host{} with {} x {}", LayoutName(layout), request.cluster.hosts,
                     request.cluster.hosts == 1 ? "" : "s", request.cluster.devices_per_host,
                     request.cluster.device.name);
}

std::string HeadText(const LayoutRequest& request) {
  const core::DeviceFigures& device = request.cluster.device;
  const core::WeightBytes checkpoint = core::CheckpointBytes(request.model);
  const auto rate = [](std::string_view name, const Figure& figure, double unit,
                       std::string_view unit_name) {
    return fmt::format("  {:<30}{:>18.2f} {:<10} {}\n", name, figure.value / unit, unit_name,
                       Name(figure.source));
  };
  std::string text = fmt::format(
      "{}: {} parameters, a checkpoint of {} bytes; computed in {}\n"
      "{} x {} {}: {} tokens of each request{}\n\n",
      request.model.model_type(), Grouped(core::NumParameters(request.model)),
      Grouped(checkpoint.Total()), ComputeName(request.compute), request.cluster.hosts,
      request.cluster.devices_per_host, device.name, Grouped(request.load.context),
      request.redundant_experts > 0
          ? fmt::format(", {} redundant experts in each layer (planned for, not yet served)",
                        request.redundant_experts)
          : "");
  text += rate("memory", device.memory_bytes, double(kGiB), "GiB");
  if (device.fp8_flops.value > 0) text += rate("FP8", device.fp8_flops, 1e12, "TFLOP/s");
  text += rate("BF16", device.bf16_flops, 1e12, "TFLOP/s");
  text += rate("memory's rate", device.memory_bytes_per_s, 1e9, "GB/s");
  text += rate("link in a host, one way", device.link_bytes_per_s, 1e9, "GB/s");
  return text + rate("network of a device, one way", device.network_bytes_per_s, 1e9, "GB/s");
}

std::string LayoutsText(std::span<const LayoutPlan> layouts) {
  std::string text = fmt::format("\n  {:<10}{:>6}{:>8}{:>12}{:>12}{:>14}{:>14}{:>14}  {}\n",
                                 "dp x tp", "ep", "copies", "fixed GiB", "cache GiB", "KV tokens",
                                 "decode tok/s", "prefill tok/s", "limit");
  for (const LayoutPlan& layout : layouts) {
    const double fixed = double(layout.memory.Fixed() + layout.memory.Beside()) / double(kGiB);
    text += fmt::format("  {:<10}{:>6}{:>8}{:>12.1f}", LayoutName(layout), layout.ranks(),
                        layout.copies, fixed);
    if (!layout.fits()) {
      text +=
          fmt::format("  lacks {:.1f} GiB on a rank\n", double(layout.shortfall) / double(kGiB));
      continue;
    }
    text += fmt::format(
        "{:>12.1f}{:>14}{:>14}{:>14}  {}\n", double(layout.memory.Cache()) / double(kGiB),
        Grouped(layout.kv_tokens()), Grouped(static_cast<int64_t>(layout.decode_tokens_per_s)),
        Grouped(static_cast<int64_t>(layout.prefill_tokens_per_s)), layout.DecodeLimit());
  }
  return text;
}

std::string LayoutText(const LayoutRequest& request, const LayoutPlan& layout) {
  std::string text = fmt::format("\n{}{}: rank {} of {}, the fullest\n", PlaceName(request, layout),
                                 layout.copies > 1 ? fmt::format(", {} times", layout.copies) : "",
                                 layout.rank, layout.ranks());
  text += MemoryText(request, layout);
  if (!layout.fits()) return text;
  text += LoadText(request, layout);
  text +=
      StepText(request, "decode", layout.decode_shape, layout.decode, layout.decode_tokens_per_s);
  return text + StepText(request, "prefill", layout.prefill_shape, layout.prefill,
                         layout.prefill_tokens_per_s);
}

Json LayoutsJson(const LayoutRequest& request, std::span<const LayoutPlan> layouts) {
  const core::DeviceFigures& device = request.cluster.device;
  Json list = Json::array();
  for (const LayoutPlan& layout : layouts) list.push_back(LayoutJson(request, layout));
  return Json{{"model",
               {{"type", request.model.model_type()},
                {"parameters", core::NumParameters(request.model)},
                {"checkpoint_bytes", core::CheckpointBytes(request.model).Total()}}},
              {"compute", ComputeName(request.compute)},
              {"cluster",
               {{"hosts", request.cluster.hosts},
                {"devices_per_host", request.cluster.devices_per_host},
                {"device", device.name},
                {"memory_bytes", FigureJson(device.memory_bytes)},
                {"fp8_flops", FigureJson(device.fp8_flops)},
                {"bf16_flops", FigureJson(device.bf16_flops)},
                {"memory_bytes_per_second", FigureJson(device.memory_bytes_per_s)},
                {"link_bytes_per_second", FigureJson(device.link_bytes_per_s)},
                {"network_bytes_per_second", FigureJson(device.network_bytes_per_s)}}},
              {"context", request.load.context},
              {"layouts", std::move(list)}};
}

}  // namespace switchyard::cli
