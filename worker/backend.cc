#include "worker/backend.h"

#include <spdlog/spdlog.h>

#include "kernels/backend.h"
#include "worker/cuda_module.h"
#include "worker/memory_node.h"
#include "worker/parallel/gloo_collectives.h"

namespace switchyard::worker {
namespace {

class CpuBackend final : public Backend {
 public:
  CpuBackend(const BackendOptions& options, std::unique_ptr<kernels::Ops> ops)
      : options_(options), ops_(std::move(ops)) {}

  kernels::Ops& ops() override { return *ops_; }
  std::string Describe() const override { return ops_->device().isa(); }
  int64_t memory_bytes() const override { return 0; }
  int64_t used_bytes() const override { return 0; }
  absl::StatusOr<std::unique_ptr<Collectives>> Connect(
      RendezvousStore& store, const CommunicatorOptions& options) override {
    if (gloo_ == nullptr) {
      SY_ASSIGN_OR_RETURN(gloo_,
                          OpenGlooDevice({.interface = options_.interface, .host = options_.host}));
    }
    return ConnectGloo(gloo_, store, options);
  }

 private:
  const BackendOptions options_;
  const std::unique_ptr<kernels::Ops> ops_;
  std::shared_ptr<GlooDevice> gloo_;
};

absl::StatusOr<std::unique_ptr<Backend>> MakeCpu(const BackendOptions& options) {
  if (options.first_cpu < 0) {  // else somebody knows better
    const std::string kept = KeepToNode(options.device, options.host_workers);
    if (!kept.empty()) spdlog::info("{}", kept);
  }
  SY_ASSIGN_OR_RETURN(std::unique_ptr<kernels::Ops> ops,
                      kernels::MakeCpuBackend({.num_threads = options.num_threads,
                                               .first_cpu = options.first_cpu,
                                               .isa = options.isa}));
  return std::make_unique<CpuBackend>(options, std::move(ops));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Backend>> MakeBackend(const BackendOptions& options) {
  if (options.backend == "cpu") return MakeCpu(options);
  if (options.backend != "cuda" && options.backend != "auto") {
    return absl::InvalidArgumentError(
        fmt::format("--backend is \"{}\"; it must be auto, cpu or cuda", options.backend));
  }
  const int host_workers = options.backend == "auto" ? options.host_workers : 1;
  absl::StatusOr<std::unique_ptr<Backend>> cuda = MakeCudaBackend(options.device, host_workers);
  if (cuda.ok()) {
    spdlog::info("backend cuda: {}", (*cuda)->Describe());
    return cuda;
  }
  if (options.backend == "cuda") return cuda.status();
  SY_ASSIGN_OR_RETURN(std::unique_ptr<Backend> cpu, MakeCpu(options));
  spdlog::info("backend cpu: {}; {}", cpu->Describe(), Message(cuda.status()));
  return cpu;
}

}  // namespace switchyard::worker
