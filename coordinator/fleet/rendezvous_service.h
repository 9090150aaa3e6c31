// The table through which starting ranks find each other (proto/membership.proto). Bounded in keys
// and bytes; cleared when the cluster serves.
#ifndef SWITCHYARD_COORDINATOR_FLEET_RENDEZVOUS_SERVICE_H_
#define SWITCHYARD_COORDINATOR_FLEET_RENDEZVOUS_SERVICE_H_

#include <list>
#include <map>
#include <mutex>
#include <string>

#include "base/status.h"
#include "base/units.h"
#include "proto/membership.grpc.pb.h"

namespace switchyard::fleet {

class RendezvousService final : public v1::Rendezvous::CallbackService {
 public:
  static constexpr size_t kMaxKeyBytes = 256;
  static constexpr size_t kMaxValueBytes = kMiB;
  static constexpr size_t kMaxTableBytes = 256 * kMiB;
  static constexpr size_t kMaxKeys = 1 << 20;
  // Waits that are open at one time; one more is refused.
  static constexpr size_t kMaxWaits = 1 << 14;

  RendezvousService();
  ~RendezvousService() override;

  // Drops all keys. Waits that are open go on waiting.
  void Clear();
  // Ends open and later waits with CANCELLED.
  void Cancel();

 private:
  class Waiter;

  grpc::ServerUnaryReactor* Put(grpc::CallbackServerContext* context, const v1::PutRequest* request,
                                v1::PutResponse* response) override;
  grpc::ServerUnaryReactor* Wait(grpc::CallbackServerContext* context,
                                 const v1::WaitRequest* request,
                                 v1::WaitResponse* response) override;
  absl::Status Store(const v1::PutRequest& request);
  void Withdraw(Waiter* waiter);

  std::mutex mutex_;
  std::map<std::string, std::string> values_;
  size_t num_bytes_ = 0;
  std::multimap<std::string, Waiter*> waiters_;  // by key; each until it answers
  bool cancelled_ = false;
};

}  // namespace switchyard::fleet

#endif  // SWITCHYARD_COORDINATOR_FLEET_RENDEZVOUS_SERVICE_H_
