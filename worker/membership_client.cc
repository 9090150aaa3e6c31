#include "worker/membership_client.h"

#include <algorithm>
#include <chrono>

#include "proto/status_codes.h"

namespace switchyard::worker {
namespace {

// One call waits no longer than this; a wait to a later deadline asks again, so that a dead
// coordinator shows soon.
constexpr std::chrono::seconds kCallDeadline(5);

}  // namespace

MembershipClient::MembershipClient(std::shared_ptr<grpc::Channel> channel)
    : stub_(v1::Rendezvous::NewStub(std::move(channel))) {}

absl::Status MembershipClient::Put(std::string_view key, std::string_view value) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallDeadline);
  v1::PutRequest request;
  request.set_key(std::string(key));
  request.set_value(std::string(value));
  v1::PutResponse response;
  return FromGrpc(stub_->Put(&context, request, &response));
}

absl::StatusOr<std::string> MembershipClient::Wait(std::string_view key, Deadline deadline) {
  v1::WaitRequest request;
  request.set_key(std::string(key));
  while (true) {
    const auto left = std::min<std::chrono::nanoseconds>(
        deadline - std::chrono::steady_clock::now(), kCallDeadline);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::max<std::chrono::nanoseconds>(left, std::chrono::nanoseconds(0)));
    v1::WaitResponse response;
    const absl::Status status = FromGrpc(stub_->Wait(&context, request, &response));
    if (status.ok()) return response.value();
    if (absl::IsDeadlineExceeded(status)) {
      if (std::chrono::steady_clock::now() < deadline) continue;
      return absl::DeadlineExceededError(fmt::format("key \"{}\" was not set in time", key));
    }
    return status;
  }
}

}  // namespace switchyard::worker
