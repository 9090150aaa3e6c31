// What operators and their probes ask over HTTP: is it alive, is it ready, how far is it, what does
// it do.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_SYSTEM_HANDLER_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_SYSTEM_HANDLER_H_

#include "coordinator/gateway/completion.h"
#include "coordinator/gateway/http_router.h"

namespace switchyard::gateway {

// Thread-safe. Outlives the router that it adds its routes to; `context` outlives it.
class SystemHandler {
 public:
  // `open_metrics`: /metrics needs no key where others do.
  SystemHandler(CompletionContext& context, bool open_metrics)
      : context_(context), open_metrics_(open_metrics) {}

  // /health, /ping, /livez, /readyz and /startupz, which need no key; /load, /version, /metrics.
  void AddRoutes(HttpRouter& router);

 private:
  HttpResponse Health() const;
  HttpResponse Live() const;
  HttpResponse Startup() const;
  HttpResponse Load() const;
  HttpResponse Metrics() const;

  CompletionContext& context_;
  const bool open_metrics_;
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_SYSTEM_HANDLER_H_
