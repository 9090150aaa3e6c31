#include "emulator/nccl/comm_handle.h"

#include <unordered_map>
#include <utility>

namespace emu {
namespace {

struct Table {
  std::mutex mutex;
  std::unordered_map<ncclComm_t, CommPointer> comms;
};

// Never destroyed: threads of the program may use communicators while it exits.
Table& TheTable() {
  static auto* table = new Table;
  return *table;
}

}  // namespace

CommPointer CommTable::Create(bool blocking) {
  auto comm = std::make_shared<ncclComm>(blocking);
  Table& table = TheTable();
  const std::lock_guard lock(table.mutex);
  table.comms.emplace(comm.get(), comm);
  return comm;
}

CommPointer CommTable::Find(ncclComm_t comm) {
  Table& table = TheTable();
  const std::lock_guard lock(table.mutex);
  const auto found = table.comms.find(comm);
  return found == table.comms.end() ? nullptr : found->second;
}

void CommTable::Remove(ncclComm_t comm) {
  CommPointer last;  // freed after the lock
  Table& table = TheTable();
  const std::lock_guard lock(table.mutex);
  const auto found = table.comms.find(comm);
  if (found == table.comms.end()) return;
  last = std::move(found->second);
  table.comms.erase(found);
}

}  // namespace emu

ncclComm::~ncclComm() { JoinJob(); }

std::shared_ptr<emu::Communicator> ncclComm::core() const {
  const std::lock_guard lock(mutex_);
  return core_;
}

void ncclComm::set_core(std::shared_ptr<emu::Communicator> core) {
  const std::lock_guard lock(mutex_);
  core_ = std::move(core);
  if (abort_requested_.load()) core_->Abort();
}

void ncclComm::set_parent(std::shared_ptr<emu::Communicator> parent) {
  const std::lock_guard lock(mutex_);
  parent_ = std::move(parent);
}

void ncclComm::StartJob(std::function<emu::Outcome()> work) {
  const std::lock_guard lock(job_mutex_);
  if (job_.joinable()) job_.join();  // an earlier one: it has ended
  BeginJob();
  job_ = std::thread([this, work = std::move(work)] { EndJob(work()); });
}

void ncclComm::EndJob(const emu::Outcome& outcome) {
  {
    const std::lock_guard lock(mutex_);
    if (!outcome.ok()) job_outcome_ = outcome;
    parent_ = nullptr;
  }
  in_progress_.store(false);
}

void ncclComm::JoinJob() {
  const std::lock_guard lock(job_mutex_);
  if (job_.joinable()) job_.join();
}

ncclResult_t ncclComm::State() const {
  if (in_progress()) return ncclInProgress;
  const std::lock_guard lock(mutex_);
  if (!job_outcome_.ok()) return job_outcome_.code;
  return core_ == nullptr ? ncclSuccess : core_->async_error();
}

std::string ncclComm::ErrorText() const {
  const std::lock_guard lock(mutex_);
  if (!job_outcome_.ok()) return job_outcome_.text;
  return core_ == nullptr ? "" : core_->error_text();
}

void ncclComm::Abort() {
  abort_requested_.store(true);
  const std::lock_guard lock(mutex_);
  if (core_ != nullptr) core_->Abort();
  if (parent_ != nullptr) parent_->segment().rank(parent_->rank()).doorbell.Ring();
}

ncclRedOp_t ncclComm::AddReduction(const emu::Reduction& reduction, ncclDataType_t type) {
  const std::lock_guard lock(mutex_);
  reductions_.push_back({reduction, type, true});
  return static_cast<ncclRedOp_t>(ncclNumOps + static_cast<int>(reductions_.size()) - 1);
}

bool ncclComm::RemoveReduction(ncclRedOp_t op) {
  const std::lock_guard lock(mutex_);
  const int index = static_cast<int>(op) - ncclNumOps;
  if (index < 0 || index >= static_cast<int>(reductions_.size())) return false;
  return std::exchange(reductions_[static_cast<size_t>(index)].alive, false);
}

bool ncclComm::FindReduction(ncclRedOp_t op, ncclDataType_t type, emu::Reduction* reduction) const {
  using Kind = emu::Reduction::Kind;
  constexpr Kind kBuiltIn[] = {Kind::kSum, Kind::kProduct, Kind::kMax, Kind::kMin, Kind::kAverage};
  static_assert(ncclSum == 0 && ncclProd == 1 && ncclMax == 2 && ncclMin == 3 && ncclAvg == 4 &&
                ncclNumOps == 5);
  const int index = static_cast<int>(op);
  if (index < 0) return false;
  if (index < ncclNumOps) {
    *reduction = {.kind = kBuiltIn[index]};
    return true;
  }
  const std::lock_guard lock(mutex_);
  const auto custom = static_cast<size_t>(index - ncclNumOps);
  if (custom >= reductions_.size() || !reductions_[custom].alive) return false;
  *reduction = reductions_[custom].reduction;
  return reductions_[custom].type == type;
}

void* ncclComm::AddRegistration(void* address, size_t bytes) {
  const std::lock_guard lock(mutex_);
  registrations_.push_back(std::make_unique<Registration>(Registration{address, bytes}));
  return registrations_.back().get();
}

bool ncclComm::RemoveRegistration(void* registration) {
  const std::lock_guard lock(mutex_);
  return std::erase_if(registrations_,
                       [&](const auto& held) { return held.get() == registration; }) > 0;
}
