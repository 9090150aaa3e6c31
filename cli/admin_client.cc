#include "cli/admin_client.h"

#include <grpcpp/create_channel.h>

#include "proto/admin.grpc.pb.h"
#include "proto/status_codes.h"

namespace switchyard::cli {

struct AdminClient::Impl {
  std::string address;
  std::unique_ptr<v1::Admin::Stub> stub;
};

namespace {

std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  // A proxy for the web (http_proxy in the environment) leads nowhere inside a cluster.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

AdminClient::AdminClient(const std::string& address)
    : impl_(new Impl{address, v1::Admin::NewStub(OpenChannel(address))}) {}
AdminClient::~AdminClient() = default;

absl::StatusOr<v1::StatusResponse> AdminClient::Status(std::chrono::milliseconds timeout) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + timeout);
  v1::StatusResponse response;
  const absl::Status status =
      FromGrpc(impl_->stub->Status(&context, v1::StatusRequest(), &response));
  if (status.ok()) return response;
  return absl::UnavailableError(
      fmt::format("no coordinator answers at {}: {}", impl_->address, Message(status)));
}

}  // namespace switchyard::cli
