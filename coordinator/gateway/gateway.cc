#include "coordinator/gateway/gateway.h"

#include <algorithm>
#include <utility>

#include "coordinator/gateway/admin_service.h"
#include "coordinator/gateway/completion.h"
#include "coordinator/gateway/http_api.h"
#include "coordinator/gateway/inference_service.h"
#include "coordinator/gateway/io_threads.h"

namespace switchyard::gateway {

// Destroyed from the bottom up: servers before what they call, threads before what runs on them.
struct Gateway::Impl {
  Impl(const GatewayOptions& options, const ServedModel& served, core::Engine& engine)
      : model(served),
        context{.model = &model,
                .engine = &engine,
                .executor = &io,
                .slow_executor = &slow,
                .metrics = &metrics,
                .keys = options.access.keys,
                .logprob_memory = LogprobMemory(options.logprob_bytes)},
        io(options.num_io_threads),
        work(options.num_work_threads),
        slow(1),
        api(context, work, options.access),
        inference(context, work),
        admin(engine) {
    if (options.vllm_metrics) metrics.AddVllmNames(model.name);
  }

  const ServedModel model;
  GatewayMetrics metrics;
  CompletionContext context;
  IoThreads io;
  IoThreads work;
  IoThreads slow;  // answers that would hold up others' on `io`
  HttpApi api;
  InferenceService inference;
  AdminService admin;
  std::unique_ptr<HttpServer> http;
  std::unique_ptr<GrpcFront> grpc;
};

absl::StatusOr<std::unique_ptr<Gateway>> Gateway::Start(
    const GatewayOptions& options, const ServedModel& model, core::Engine& engine,
    const std::vector<grpc::Service*>& more_services) {
  auto impl = std::make_unique<Impl>(options, model, engine);
  HttpHandler handler = [raw = impl.get()](HttpRequest request, std::shared_ptr<HttpReply> reply) {
    raw->api.Handle(std::move(request), std::move(reply));
  };
  SY_ASSIGN_OR_RETURN(impl->http, HttpServer::Start(impl->api.Complete(options.http),
                                                    std::move(handler), impl->io));
  std::vector<grpc::Service*> services = {impl->inference.service(), impl->admin.service()};
  services.insert(services.end(), more_services.begin(), more_services.end());
  SY_ASSIGN_OR_RETURN(impl->grpc, GrpcFront::Start(options.grpc, services));
  return std::unique_ptr<Gateway>(new Gateway(std::move(impl)));
}

Gateway::Gateway(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Gateway::~Gateway() { Shutdown(std::chrono::milliseconds(0)); }

int Gateway::http_port() const { return impl_->http->port(); }
int Gateway::grpc_port() const { return impl_->grpc->port(); }
GatewayMetrics& Gateway::metrics() { return impl_->metrics; }
void Gateway::SetServing(bool serving) { impl_->grpc->SetServing(serving); }

void Gateway::Shutdown(std::chrono::milliseconds grace) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point deadline = Clock::now() + grace;
  impl_->http->Shutdown(grace);
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
  impl_->grpc->Shutdown(std::max(left, std::chrono::milliseconds(0)));
  impl_->work.Stop();
  impl_->slow.Stop();
  impl_->io.Stop();
}

}  // namespace switchyard::gateway
