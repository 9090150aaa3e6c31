#include "emulator/nccl/group.h"

#include <algorithm>
#include <string>
#include <thread>
#include <utility>

namespace emu {
namespace {

// A rank that sends to itself must receive from itself in the same group, or nobody ever will.
Outcome CheckSelfMessages(const std::vector<Operation>& operations, int rank) {
  int balance = 0;
  for (const Operation& operation : operations) {
    if (operation.peer != rank) continue;
    if (operation.kind == OperationKind::kSend) ++balance;
    if (operation.kind == OperationKind::kReceive) --balance;
  }
  if (balance == 0) return {};
  return {ncclInvalidUsage, "rank " + std::to_string(rank) + " has a " +
                                (balance > 0 ? "send to" : "receive from") +
                                " itself without its counterpart in the same group"};
}

}  // namespace

Group& Group::Current() {
  static thread_local Group group;
  return group;
}

Outcome Group::End() {
  if (depth_ == 0) return {ncclInvalidUsage, "ncclGroupEnd without ncclGroupStart"};
  if (--depth_ > 0) return {};
  const Outcome failure = std::exchange(failure_, {});
  std::vector<Job> jobs = std::exchange(jobs_, {});
  std::vector<Batch> batches = std::exchange(batches_, {});
  if (!failure.ok()) {
    for (const Job& job : jobs) {
      job.comm->EndJob(failure);
      CommTable::Remove(job.comm.get());
      *job.out = nullptr;
    }
    return failure;
  }
  Outcome made = RunJobs(std::move(jobs));
  if (!made.ok() && made.code != ncclInProgress) return made;
  Outcome submitted = Submit(std::move(batches));
  return submitted.ok() ? made : submitted;
}

Outcome Group::Discard() {
  if (depth_ == 0) return {ncclInvalidUsage, "ncclGroupSimulateEnd without ncclGroupStart"};
  if (depth_ == 1) {
    if (failure_.ok() && !jobs_.empty()) {
      failure_ = {ncclInvalidUsage, "communicators cannot be made in a simulated group"};
    }
    batches_.clear();
    if (failure_.ok()) {
      depth_ = 0;
      return {};
    }
  }
  return End();
}

Outcome Group::NoteFailure(Outcome failure) {
  if (open() && failure_.ok()) failure_ = failure;
  return failure;
}

Outcome Group::Add(const CommPointer& comm, const Operation& operation, cudaStream_t stream) {
  Start();
  auto batch = std::find_if(batches_.begin(), batches_.end(),
                            [&](const Batch& held) { return held.comm == comm; });
  if (batch == batches_.end()) batch = batches_.insert(batch, Batch{.comm = comm, .launch = {}});
  Launch& launch = batch->launch;
  launch.operations.push_back(operation);
  if (std::find(launch.streams.begin(), launch.streams.end(), stream) == launch.streams.end()) {
    launch.streams.push_back(stream);
  }
  return End();
}

Outcome Group::AddJob(const CommPointer& comm, std::function<Outcome()> work, ncclComm_t* out) {
  Start();
  comm->BeginJob();
  jobs_.push_back({comm, std::move(work), out});
  return End();
}

Outcome Group::RunJobs(std::vector<Job> jobs) {
  Outcome result;
  std::vector<std::pair<Job*, std::thread>> running;
  std::vector<Outcome> outcomes(jobs.size());
  for (size_t i = 0; i < jobs.size(); ++i) {
    Job& job = jobs[i];
    if (!job.comm->blocking) {
      job.comm->StartJob(std::move(job.work));
      result = {ncclInProgress, ""};
    } else if (jobs.size() == 1) {
      outcomes[i] = job.work();
    } else {
      running.emplace_back(&job, [&job, &outcome = outcomes[i]] { outcome = job.work(); });
    }
  }
  for (auto& [job, thread] : running) thread.join();
  for (size_t i = 0; i < jobs.size(); ++i) {
    if (!jobs[i].comm->blocking) continue;
    jobs[i].comm->EndJob(outcomes[i]);
    if (outcomes[i].ok()) continue;
    CommTable::Remove(jobs[i].comm.get());
    *jobs[i].out = nullptr;
    result = outcomes[i];
  }
  return result;
}

Outcome Group::Submit(std::vector<Batch> batches) {
  Outcome result;
  for (Batch& batch : batches) {
    const auto core = batch.comm->core();
    Outcome outcome = CheckSelfMessages(batch.launch.operations, core->rank());
    if (!outcome.ok()) return outcome;
    outcome = batch.comm->launches.Submit(core, std::move(batch.launch), !batch.comm->blocking);
    if (!outcome.ok() && outcome.code != ncclInProgress) return outcome;
    if (!outcome.ok()) result = std::move(outcome);
  }
  return result;
}

}  // namespace emu
