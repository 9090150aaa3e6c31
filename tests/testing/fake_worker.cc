#include "tests/testing/fake_worker.h"

#include <chrono>

#include "proto/status_codes.h"

namespace switchyard::testing {

FakeWorker::FakeWorker(std::shared_ptr<grpc::Channel> channel)
    : stub_(v1::Worker::NewStub(std::move(channel))) {
  context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  stream_ = stub_->Session(&context_);
}

FakeWorker::~FakeWorker() { Break(); }

bool FakeWorker::Send(const v1::WorkerMessage& message) { return stream_->Write(message); }

bool FakeWorker::SendHello(int wanted_rank, const std::string& version, const std::string& isa) {
  v1::WorkerMessage message;
  v1::WorkerHello* hello = message.mutable_hello();
  hello->set_host("host-" + std::to_string(wanted_rank));
  hello->set_pid(100 + wanted_rank);
  hello->set_wanted_rank(wanted_rank);
  hello->set_backend("cpu");
  hello->set_isa(isa);
  hello->set_memory_bytes(int64_t{1} << 30);
  hello->set_version(version);
  return Send(message);
}

bool FakeWorker::SendReady(const v1::Assignment& assignment) {
  v1::WorkerMessage message;
  message.mutable_ready()->set_epoch(assignment.plan().epoch());
  message.mutable_ready()->set_plan_hash(assignment.plan().hash());
  return Send(message);
}

bool FakeWorker::SendFault(absl::StatusCode code, const std::string& text) {
  v1::WorkerMessage message;
  message.mutable_fault()->set_code(static_cast<int>(code));
  message.mutable_fault()->set_message(text);
  return Send(message);
}

bool FakeWorker::SendResult(const v1::StepPlan& plan, int rank, int32_t token) {
  v1::WorkerMessage message;
  v1::StepResult* result = message.mutable_result();
  result->set_epoch(plan.epoch());
  result->set_step(plan.step());
  result->set_rank(rank);
  for (const v1::GroupWork& group : plan.groups()) {
    for (const v1::SequenceWork& work : group.sequences()) {
      if (!work.sample() || rank != 0) continue;
      v1::SampledToken* sampled = result->add_sampled();
      sampled->set_sequence_id(work.sequence_id());
      sampled->set_position(work.begin_position() +
                            (work.use_last_sampled() ? 1 : work.tokens_size()));
      sampled->set_token(token);
    }
  }
  return Send(message);
}

std::optional<v1::CoordinatorMessage> FakeWorker::Read() {
  v1::CoordinatorMessage message;
  do {
    if (!stream_->Read(&message)) return std::nullopt;
  } while (message.has_heartbeat());
  return message;
}

bool FakeWorker::ReadHeartbeat() {
  v1::CoordinatorMessage message;
  return stream_->Read(&message) && message.has_heartbeat();
}

absl::Status FakeWorker::WaitForEnd() {
  while (Read().has_value()) {
  }
  finished_ = true;
  return FromGrpc(stream_->Finish());
}

void FakeWorker::Leave() {
  stream_->WritesDone();
  WaitForEnd().IgnoreError();
}

void FakeWorker::Break() {
  if (finished_) return;
  context_.TryCancel();
  WaitForEnd().IgnoreError();
}

}  // namespace switchyard::testing
