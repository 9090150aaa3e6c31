#include "coordinator/gateway/admin_service.h"

#include "proto/admin.grpc.pb.h"

namespace switchyard::gateway {

class AdminService::Impl : public v1::Admin::CallbackService {
 public:
  explicit Impl(const core::Engine& engine) : engine_(engine) {}

  grpc::ServerUnaryReactor* Status(grpc::CallbackServerContext* context, const v1::StatusRequest*,
                                   v1::StatusResponse* response) override {
    *response = engine_.Status();
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  const core::Engine& engine_;
};

AdminService::AdminService(const core::Engine& engine) : impl_(std::make_unique<Impl>(engine)) {}
AdminService::~AdminService() = default;

grpc::Service* AdminService::service() { return impl_.get(); }

}  // namespace switchyard::gateway
