// The rendezvous table at the coordinator, as ranks of a cluster see it.
#ifndef SWITCHYARD_WORKER_MEMBERSHIP_CLIENT_H_
#define SWITCHYARD_WORKER_MEMBERSHIP_CLIENT_H_

#include <grpcpp/channel.h>

#include <memory>
#include <string>

#include "proto/membership.grpc.pb.h"
#include "worker/parallel/rendezvous.h"

namespace switchyard::worker {

class MembershipClient final : public RendezvousStore {
 public:
  explicit MembershipClient(std::shared_ptr<grpc::Channel> channel);

  absl::Status Put(std::string_view key, std::string_view value) override;
  absl::StatusOr<std::string> Wait(std::string_view key, Deadline deadline) override;

 private:
  const std::unique_ptr<v1::Rendezvous::Stub> stub_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_MEMBERSHIP_CLIENT_H_
