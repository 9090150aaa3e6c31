#include "coordinator/gateway/system_handler.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>

#include "base/version.h"
#include "coordinator/gateway/sse_writer.h"
#include "proto/load_progress.h"

namespace switchyard::gateway {
namespace {

// "CLUSTER_STATE_SERVING" -> "serving".
std::string ShortName(std::string_view enum_name, std::string_view prefix) {
  std::string name(enum_name.substr(std::min(prefix.size(), enum_name.size())));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

std::string StateName(v1::ClusterState state) {
  return ShortName(v1::ClusterState_Name(state), "CLUSTER_STATE_");
}

Json StateObject(const v1::StatusResponse& cluster) {
  return {{"status", StateName(cluster.state())}, {"detail", cluster.detail()}};
}

HttpResponse Answer(bool good, const Json& body) {
  return {.status = good ? 200 : 503, .body = DumpJson(body)};
}

}  // namespace

void SystemHandler::AddRoutes(HttpRouter& router) {
  const auto add = [&](std::string_view path, HttpResponse (SystemHandler::*answer)() const,
                       bool is_open) {
    router.Add(
        {.path = path,
         .method = "GET",
         .is_open = is_open,
         .handle = [this, path, answer](const HttpRequest&, std::shared_ptr<HttpReply> reply) {
           SendAnswer(*context_.metrics, path, *reply, (this->*answer)());
         }});
  };
  add("/health", &SystemHandler::Health, true);
  add("/ping", &SystemHandler::Health, true);
  add("/readyz", &SystemHandler::Health, true);
  add("/livez", &SystemHandler::Live, true);
  add("/startupz", &SystemHandler::Startup, true);
  add("/load", &SystemHandler::Load, false);
  add("/metrics", &SystemHandler::Metrics, open_metrics_);
  router.Add({.path = "/version",
              .method = "GET",
              .handle = [this](const HttpRequest&, std::shared_ptr<HttpReply> reply) {
                SendAnswer(*context_.metrics, "/version", *reply,
                           {.body = DumpJson({{"version", kVersion}})});
              }});
}

HttpResponse SystemHandler::Health() const {
  const v1::StatusResponse cluster = context_.engine->Status();
  Json body = StateObject(cluster);
  body["model"] = context_.model->name;
  return Answer(cluster.state() == v1::CLUSTER_STATE_SERVING, body);
}

HttpResponse SystemHandler::Live() const {
  const v1::StatusResponse cluster = context_.engine->Status();
  return Answer(cluster.state() != v1::CLUSTER_STATE_FAILED, StateObject(cluster));
}

HttpResponse SystemHandler::Startup() const {
  const v1::StatusResponse cluster = context_.engine->Status();
  Json body = StateObject(cluster);
  int64_t bytes_done = 0, bytes_total = 0;
  double bytes_per_second = 0;
  std::optional<double> seconds_left;
  Json ranks = Json::array();
  for (const v1::WorkerStatus& worker : cluster.workers()) {
    const v1::LoadProgress& progress = worker.progress();
    bytes_done += progress.bytes_done();
    bytes_total += progress.bytes_total();
    bytes_per_second += progress.bytes_per_second();
    const std::optional<double> left = SecondsLeft(progress);
    if (left) seconds_left = std::max(seconds_left.value_or(0), *left);
    ranks.push_back({{"rank", worker.rank()},
                     {"host", worker.host()},
                     {"phase", ShortName(v1::LoadPhase_Name(progress.phase()), "LOAD_PHASE_")},
                     {"bytes_done", progress.bytes_done()},
                     {"bytes_total", progress.bytes_total()},
                     {"bytes_per_second", std::llround(progress.bytes_per_second())},
                     {"seconds_left", left ? Json(std::ceil(*left)) : Json()}});
  }
  body["bytes_done"] = bytes_done;
  body["bytes_total"] = bytes_total;
  body["bytes_per_second"] = std::llround(bytes_per_second);
  body["seconds_left"] = seconds_left ? Json(std::ceil(*seconds_left)) : Json();  // of the slowest
  body["ranks"] = std::move(ranks);
  const bool started =
      cluster.state() == v1::CLUSTER_STATE_SERVING || cluster.state() == v1::CLUSTER_STATE_DRAINING;
  return Answer(started, body);
}

HttpResponse SystemHandler::Load() const {
  const v1::StatusResponse cluster = context_.engine->Status();
  return Answer(true, {{"server_load", cluster.running_requests() + cluster.waiting_requests()},
                       {"running_requests", cluster.running_requests()},
                       {"waiting_requests", cluster.waiting_requests()},
                       {"kv_blocks_free", cluster.kv_blocks_free()},
                       {"kv_blocks_total", cluster.kv_blocks_total()},
                       {"tokens_per_second", cluster.tokens_per_second()}});
}

HttpResponse SystemHandler::Metrics() const {
  return {.content_type = "text/plain; version=0.0.4; charset=utf-8",
          .body = context_.metrics->Render(context_.engine->Status())};
}

}  // namespace switchyard::gateway
