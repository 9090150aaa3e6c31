#include "coordinator/fleet/rendezvous_service.h"

#include <utility>
#include <vector>

#include "proto/status_codes.h"

namespace switchyard::fleet {

// A Wait that is open. Whoever takes it out of the table answers it, once; it deletes itself when
// gRPC is done with it.
class RendezvousService::Waiter final : public grpc::ServerUnaryReactor {
 public:
  Waiter(RendezvousService& service, std::string key, v1::WaitResponse* response)
      : key(std::move(key)), service_(service), response_(response) {}

  void Answer(const absl::Status& status, const std::string& value) {
    if (status.ok()) response_->set_value(value);
    Finish(ToGrpc(status));
  }
  void OnCancel() override {
    service_.Withdraw(this);
  }  // the caller went away, or its deadline passed
  void OnDone() override { delete this; }

  const std::string key;

 private:
  RendezvousService& service_;
  v1::WaitResponse* const response_;
};

RendezvousService::RendezvousService() = default;
RendezvousService::~RendezvousService() = default;

absl::Status RendezvousService::Store(const v1::PutRequest& request) {
  if (request.key().empty() || request.key().size() > kMaxKeyBytes ||
      request.value().size() > kMaxValueBytes) {
    return absl::InvalidArgumentError(
        fmt::format("a key has 1 to {} bytes, a value at most {}", kMaxKeyBytes, kMaxValueBytes));
  }
  const auto found = values_.find(request.key());
  if (found != values_.end()) {
    if (found->second == request.value()) return absl::OkStatus();
    return absl::AlreadyExistsError(
        fmt::format("key \"{}\" is set to something else", request.key()));
  }
  const size_t num_bytes = request.key().size() + request.value().size();
  if (values_.size() >= kMaxKeys || num_bytes_ + num_bytes > kMaxTableBytes) {
    return absl::ResourceExhaustedError("the rendezvous table is full");
  }
  num_bytes_ += num_bytes;
  values_.emplace(request.key(), request.value());
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* RendezvousService::Put(grpc::CallbackServerContext* context,
                                                 const v1::PutRequest* request, v1::PutResponse*) {
  absl::Status status;
  std::vector<Waiter*> woken;
  {
    std::lock_guard lock(mutex_);
    status = Store(*request);
    if (status.ok()) {
      const auto [begin, end] = waiters_.equal_range(request->key());
      for (auto it = begin; it != end; ++it) woken.push_back(it->second);
      waiters_.erase(begin, end);
    }
  }
  for (Waiter* waiter : woken) waiter->Answer(absl::OkStatus(), request->value());
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(ToGrpc(status));
  return reactor;
}

grpc::ServerUnaryReactor* RendezvousService::Wait(grpc::CallbackServerContext*,
                                                  const v1::WaitRequest* request,
                                                  v1::WaitResponse* response) {
  Waiter* const waiter = new Waiter(*this, request->key(), response);
  absl::Status status;
  std::string value;
  {
    std::lock_guard lock(mutex_);
    const auto found = values_.find(request->key());
    if (cancelled_) {
      status = absl::CancelledError("the cluster's start was given up");
    } else if (found != values_.end()) {
      value = found->second;
    } else if (request->key().empty() || request->key().size() > kMaxKeyBytes) {
      status = absl::InvalidArgumentError(fmt::format("a key has 1 to {} bytes", kMaxKeyBytes));
    } else if (waiters_.size() >= kMaxWaits) {
      status = absl::ResourceExhaustedError("too many ranks wait");
    } else {
      waiters_.emplace(waiter->key, waiter);
      return waiter;
    }
  }
  waiter->Answer(status, value);
  return waiter;
}

void RendezvousService::Withdraw(Waiter* waiter) {
  {
    std::lock_guard lock(mutex_);
    const auto [begin, end] = waiters_.equal_range(waiter->key);
    auto it = begin;
    while (it != end && it->second != waiter) ++it;
    if (it == end) return;  // it is being answered
    waiters_.erase(it);
  }
  waiter->Answer(absl::CancelledError("the caller went away"), "");
}

void RendezvousService::Clear() {
  std::lock_guard lock(mutex_);
  values_.clear();
  num_bytes_ = 0;
}

void RendezvousService::Cancel() {
  std::multimap<std::string, Waiter*> waiters;
  {
    std::lock_guard lock(mutex_);
    cancelled_ = true;
    waiters.swap(waiters_);
  }
  for (const auto& [key, waiter] : waiters) {
    waiter->Answer(absl::CancelledError("the cluster's start was given up"), "");
  }
}

}  // namespace switchyard::fleet
