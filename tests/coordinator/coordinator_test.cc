// The coordinator's loop with scripted workers at the other end of real streams.
#include "coordinator/coordinator.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <thread>

#include "base/field_error.h"
#include "base/version.h"
#include "coordinator/checkpoint_info.h"
#include "tests/testing/fake_worker.h"
#include "tests/testing/local_server.h"

namespace switchyard {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::FakeWorker;

constexpr int kWorld = 4;  // 2 x 2
constexpr int32_t kToken = 77;

// Keeps what one request was told.
class Answer final : public core::RequestListener {
 public:
  void OnAdmitted() override {}
  void OnStarted() override {
    std::lock_guard lock(mutex_);
    ++num_starts_;
    EXPECT_TRUE(tokens_.empty());
  }
  void OnPromptDone(int32_t num_cached_tokens) override {
    std::lock_guard lock(mutex_);
    num_cached_tokens_ = num_cached_tokens;
  }
  void OnToken(const core::TokenOutput& output) override {
    std::lock_guard lock(mutex_);
    tokens_.push_back(output.token);
  }
  void OnFinish(const core::RequestFinish& finish) override {
    std::lock_guard lock(mutex_);
    finish_ = finish;
    changed_.notify_all();
  }

  // Its end; status DEADLINE_EXCEEDED if none comes.
  core::RequestFinish Wait() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, seconds(20), [&] { return finish_.has_value(); })) {
      return {.reason = core::FinishReason::kError,
              .status = absl::DeadlineExceededError("the request did not end")};
    }
    return *finish_;
  }
  std::vector<int32_t> tokens() {
    std::lock_guard lock(mutex_);
    return tokens_;
  }
  int num_starts() {
    std::lock_guard lock(mutex_);
    return num_starts_;
  }
  int32_t num_cached_tokens() {
    std::lock_guard lock(mutex_);
    return num_cached_tokens_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<int32_t> tokens_;
  int32_t num_cached_tokens_ = -1;
  int num_starts_ = 0;
  std::optional<core::RequestFinish> finish_;
};

class CoordinatorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<CheckpointInfo> checkpoint =
        ReadCheckpointInfo(SWITCHYARD_SOURCE_DIR "/models/tiny-r1");
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    CoordinatorOptions options{
        .model_name = "tiny-r1", .model_path = "somewhere", .model = checkpoint->model};
    options.step_deadline = step_deadline_;
    options.max_waiting = max_waiting_;
    options.plan = {.data_parallel = 2,
                    .tensor_parallel = 2,
                    .max_batched_tokens = 64,
                    .max_running = 8,
                    .kv_num_blocks = 64};
    options.membership = {.world = kWorld, .version = kVersion};
    coordinator_.emplace(std::move(options));
    coordinator_->ObserveSteps([this](const StepRecord& step) { steps_.push_back(step); });
    coordinator_->ObserveRanks([this](const RankStepRecord& step) { rank_steps_.push_back(step); });
    server_.emplace(std::vector<grpc::Service*>{coordinator_->worker_service(),
                                                coordinator_->rendezvous_service()});
    loop_ = std::thread([this] { result_ = coordinator_->Run(); });
  }

  void TearDown() override {
    coordinator_->Drain();
    coordinator_->Drain();
    for (const auto& worker : workers_) worker->Break();  // else it waits for those under a step
    End().IgnoreError();
    workers_.clear();
    server_.reset();
  }

  // What Run returned.
  absl::Status End() {
    if (loop_.joinable()) loop_.join();
    return result_;
  }

  FakeWorker& Connect() {
    return *workers_.emplace_back(std::make_unique<FakeWorker>(server_->NewChannel()));
  }

  // All ranks join and get their assignment; worker(r) is rank r.
  void Gather() {
    for (int rank = 0; rank < kWorld; ++rank) Connect().SendHello(rank, kVersion);
    for (int rank = 0; rank < kWorld; ++rank) {
      const auto message = worker(rank).Read();
      ASSERT_TRUE(message.has_value() && message->has_assignment());
      EXPECT_EQ(message->assignment().rank(), rank);
      EXPECT_EQ(message->assignment().model_path(), "somewhere");
      assignment_ = message->assignment();
    }
  }

  void Serve() {
    ASSERT_NO_FATAL_FAILURE(Gather());
    for (int rank = 0; rank < kWorld; ++rank) worker(rank).SendReady(assignment_);
    ASSERT_TRUE(WaitForState(v1::CLUSTER_STATE_SERVING));
  }

  bool WaitForState(v1::ClusterState state) {
    for (int i = 0; i < 2000 && coordinator_->Status().state() != state; ++i) {
      std::this_thread::sleep_for(milliseconds(10));
    }
    return coordinator_->Status().state() == state;
  }

  bool WaitForWaiting(int count) {
    for (int i = 0; i < 2000 && coordinator_->Status().waiting_requests() != count; ++i) {
      std::this_thread::sleep_for(milliseconds(10));
    }
    return coordinator_->Status().waiting_requests() == count;
  }

  std::shared_ptr<Answer> Ask(core::RequestId id, int32_t max_tokens,
                              const std::string& tenant = "") {
    auto answer = std::make_shared<Answer>();
    core::NewRequest request{.id = id, .prompt_tokens = {1, 2, 3}, .max_tokens = max_tokens};
    request.tenant = tenant;
    const absl::Status status = coordinator_->Submit(std::move(request), answer);
    EXPECT_TRUE(status.ok()) << status;
    return answer;
  }

  // Every rank reads the same plan.
  v1::StepPlan ReadPlan() {
    v1::StepPlan plan;
    for (int rank = 0; rank < kWorld; ++rank) {
      const auto message = worker(rank).Read();
      EXPECT_TRUE(message.has_value() && message->has_plan()) << "rank " << rank;
      if (!message.has_value()) continue;
      if (rank > 0) {
        EXPECT_EQ(message->plan().SerializeAsString(), plan.SerializeAsString());
      }
      plan = message->plan();
    }
    return plan;
  }

  FakeWorker& worker(int index) { return *workers_[index]; }

  std::vector<StepRecord> steps_;           // of the loop thread, and of nobody while it runs
  std::vector<RankStepRecord> rank_steps_;  // likewise
  milliseconds step_deadline_ = std::chrono::minutes(5);
  int max_waiting_ = 1024;
  std::optional<Coordinator> coordinator_;
  std::optional<testing::LocalServer> server_;
  std::vector<std::unique_ptr<FakeWorker>> workers_;
  v1::Assignment assignment_;
  absl::Status result_;
  std::thread loop_;
};

class FullQueueTest : public CoordinatorTest {
 protected:
  FullQueueTest() { max_waiting_ = 4; }
};

TEST_F(FullQueueTest, WhoHasToMakePlaceForAnotherTenantIsTold) {
  ASSERT_NO_FATAL_FAILURE(Serve());
  Ask(1, 50);
  for (int i = 0; i < 2; ++i) ReadPlan();  // no more of them before a result
  std::vector<std::shared_ptr<Answer>> flood;
  for (core::RequestId id = 2; id <= 5; ++id) flood.push_back(Ask(id, 2));
  EXPECT_TRUE(absl::IsResourceExhausted(Ask(6, 2)->Wait().status));
  Ask(7, 2, "other");
  EXPECT_TRUE(absl::IsResourceExhausted(flood.back()->Wait().status));
}

TEST_F(FullQueueTest, PlacesStayKeptBehindAnAnswerThatIsWhole) {
  ASSERT_NO_FATAL_FAILURE(Serve());
  const auto first = std::make_shared<Answer>();
  core::NewRequest request{.id = 1, .prompt_tokens = {1, 2}, .max_tokens = 9, .num_following = 3};
  ASSERT_TRUE(coordinator_->Submit(std::move(request), first).ok());
  ReadPlan();  // it runs, and three of four places are kept
  Ask(2, 2);
  coordinator_->Stop(1);
  EXPECT_TRUE(first->Wait().status.ok());
  EXPECT_TRUE(absl::IsResourceExhausted(Ask(3, 2)->Wait().status));
  coordinator_->Cancel(1);
  Ask(4, 2);
  EXPECT_TRUE(WaitForWaiting(2)) << "its places are free";
}

// Else the others, which are told to try later, may be heard of first.
TEST_F(FullQueueTest, TooManyAnswersAreRefusedBeforeTheOthersOfTheirRequestCome) {
  ASSERT_NO_FATAL_FAILURE(Serve());
  const auto submit = [&](int32_t num_following) {
    core::NewRequest request{.id = 1, .prompt_tokens = {1}, .max_tokens = 9};
    request.num_following = num_following;
    return coordinator_->Submit(std::move(request), std::make_shared<Answer>());
  };
  EXPECT_EQ(FieldOf(submit(4)), "n");
  EXPECT_TRUE(submit(3).ok());
}

TEST_F(CoordinatorTest, RequestRunsThroughStepsAndTheClusterLeavesInOrder) {
  ASSERT_NO_FATAL_FAILURE(Serve());
  const auto answer = Ask(1, 2);
  for (uint64_t step = 1; step <= 2; ++step) {
    const v1::StepPlan plan = ReadPlan();
    EXPECT_EQ(plan.step(), step);
    for (int rank = 0; rank < kWorld; ++rank) worker(rank).SendResult(plan, rank, kToken);
  }
  const core::RequestFinish finish = answer->Wait();
  EXPECT_TRUE(finish.status.ok()) << finish.status;
  EXPECT_EQ(finish.reason, core::FinishReason::kLength);
  EXPECT_EQ(answer->tokens(), (std::vector<int32_t>{kToken, kToken}));

  coordinator_->Drain();
  for (int rank = 0; rank < kWorld; ++rank) {
    const auto message = worker(rank).Read();
    ASSERT_TRUE(message.has_value());
    EXPECT_TRUE(message->has_shutdown());
    worker(rank).Leave();
  }
  EXPECT_TRUE(End().ok()) << result_;
}

TEST_F(CoordinatorTest, EachRanksPartOfAStepIsRecorded) {
  ASSERT_NO_FATAL_FAILURE(Serve());
  const auto answer = Ask(1, 2);
  for (int step = 1; step <= 2; ++step) {
    const v1::StepPlan plan = ReadPlan();
    for (int rank = kWorld - 1; rank >= 0; --rank) {
      v1::WorkerMessage message;
      v1::StepResult* result = message.mutable_result();
      result->set_epoch(plan.epoch());
      result->set_step(plan.step());
      result->set_rank(rank);
      result->mutable_timings()->set_total_us(1000 * (rank + 1));
      result->mutable_timings()->set_exchange_us(100 * (rank + 1));
      result->mutable_timings()->set_sample_us(10 * (rank + 1));
      if (rank == 0) {
        v1::SampledToken* sampled = result->add_sampled();
        sampled->set_sequence_id(1);
        sampled->set_position(2 + step);
        sampled->set_token(kToken);
      }
      ASSERT_TRUE(worker(rank).Send(message));
    }
  }
  EXPECT_TRUE(answer->Wait().status.ok());
  EXPECT_EQ(answer->num_starts(), 1);
  coordinator_->Drain();
  for (int rank = 0; rank < kWorld; ++rank) {
    EXPECT_TRUE(worker(rank).Read()->has_shutdown());
    worker(rank).Leave();
  }
  EXPECT_TRUE(End().ok()) << result_;

  ASSERT_EQ(steps_.size(), 2u);
  EXPECT_EQ(steps_[0].num_computed_tokens, 3);
  EXPECT_EQ(steps_[1].num_computed_tokens, 1);
  EXPECT_EQ(steps_[0].compute, milliseconds(4)) << "the slowest rank's";
  std::map<int, int64_t> tokens;  // by rank
  for (const RankStepRecord& step : rank_steps_) {
    tokens[step.rank] += step.num_tokens;
    EXPECT_EQ(step.compute, milliseconds(step.rank + 1));
    EXPECT_EQ(step.exchange, step.compute / 10);
    EXPECT_EQ(step.sample, step.compute / 100);
  }
  EXPECT_EQ(rank_steps_.size(), 2u * kWorld);
  EXPECT_EQ(tokens, (std::map<int, int64_t>{{0, 4}, {1, 4}, {2, 0}, {3, 0}}))
      << "the request runs in the first group";
}

TEST_F(CoordinatorTest, APromptIsFoundWhereItWasComputedBefore) {
  ASSERT_NO_FATAL_FAILURE(Serve());
  const std::vector<int32_t> prompt(40, 9);
  for (core::RequestId id = 1; id <= 2; ++id) {
    auto answer = std::make_shared<Answer>();
    core::NewRequest request{.id = id, .prompt_tokens = prompt, .max_tokens = 1};
    ASSERT_TRUE(coordinator_->Submit(std::move(request), answer).ok());
    const v1::StepPlan plan = ReadPlan();
    ASSERT_EQ(plan.started_size(), 1);
    EXPECT_EQ(plan.started(0).group(), 0) << "the other group has nothing of it";
    EXPECT_EQ(plan.started(0).num_cached(), id == 1 ? 0 : 32);
    for (int rank = 0; rank < kWorld; ++rank) worker(rank).SendResult(plan, rank, kToken);
    EXPECT_EQ(answer->Wait().num_cached_tokens, id == 1 ? 0 : 32);
    EXPECT_EQ(answer->num_cached_tokens(), id == 1 ? 0 : 32);
  }
}

TEST_F(CoordinatorTest, ARequestEndsAtItsTimeoutThoughWorkersAreSilent) {
  ASSERT_NO_FATAL_FAILURE(Serve());
  auto answer = std::make_shared<Answer>();
  core::NewRequest request{.id = 1, .prompt_tokens = {1, 2, 3}, .max_tokens = 5};
  request.timeout = seconds(3600);
  request.arrived = std::chrono::steady_clock::now() - request.timeout + milliseconds(20);
  ASSERT_TRUE(coordinator_->Submit(std::move(request), answer).ok());
  const core::RequestFinish finish = answer->Wait();
  EXPECT_EQ(finish.status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(finish.status.message(), "the request's timeout is over, after 0 tokens of its answer");
}

TEST_F(CoordinatorTest, DrainFinishesWhatIsUnderWayAndTakesNothingNew) {
  ASSERT_NO_FATAL_FAILURE(Serve());
  const auto answer = Ask(1, 1);
  const v1::StepPlan plan = ReadPlan();
  coordinator_->Drain();
  ASSERT_TRUE(WaitForState(v1::CLUSTER_STATE_DRAINING));
  EXPECT_TRUE(absl::IsUnavailable(coordinator_->Submit(
      {.id = 2, .prompt_tokens = {1}, .max_tokens = 1}, std::make_shared<Answer>())));
  for (int rank = 0; rank < kWorld; ++rank) worker(rank).SendResult(plan, rank, kToken);
  EXPECT_TRUE(answer->Wait().status.ok());
  for (int rank = 0; rank < kWorld; ++rank) EXPECT_TRUE(worker(rank).Read()->has_shutdown());
}

// The first choice has said its last token when the others come.
TEST_F(CoordinatorTest, DrainFinishesAllChoicesOfAnAnswer) {
  ASSERT_NO_FATAL_FAILURE(Serve());
  const auto submit = [&](core::RequestId id, int32_t num_following, core::RequestId follows) {
    auto answer = std::make_shared<Answer>();
    EXPECT_TRUE(coordinator_
                    ->Submit({.id = id,
                              .prompt_tokens = {1, 2, 3},
                              .max_tokens = 1,
                              .num_following = num_following,
                              .follows = follows},
                             answer)
                    .ok());
    return answer;
  };
  const auto answer_one_step = [&] {
    const v1::StepPlan plan = ReadPlan();
    for (int rank = 0; rank < kWorld; ++rank) worker(rank).SendResult(plan, rank, kToken);
  };
  const auto first = submit(1, /*num_following=*/2, 0);
  answer_one_step();
  EXPECT_TRUE(first->Wait().status.ok());
  coordinator_->Drain();
  ASSERT_TRUE(WaitForState(v1::CLUSTER_STATE_DRAINING));
  EXPECT_TRUE(absl::IsUnavailable(submit(9, 0, /*follows=*/8)->Wait().status))
      << "no such answer was begun";
  const auto second = submit(2, 0, /*follows=*/1);
  answer_one_step();
  EXPECT_TRUE(second->Wait().status.ok()) << second->Wait().status;
  const auto third = submit(3, 0, /*follows=*/1);
  answer_one_step();
  EXPECT_TRUE(third->Wait().status.ok()) << third->Wait().status;
  for (int rank = 0; rank < kWorld; ++rank) EXPECT_TRUE(worker(rank).Read()->has_shutdown());
}

TEST_F(CoordinatorTest, RequestsAreRefusedWhileWorkersAreMissing) {
  Connect().SendHello(0, kVersion);
  const absl::Status status = coordinator_->Submit({.id = 1, .prompt_tokens = {1}, .max_tokens = 1},
                                                   std::make_shared<Answer>());
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

TEST_F(CoordinatorTest, WorkerThatDoesNotFitIsRefusedAndAnotherTakesItsPlace) {
  FakeWorker& old = Connect();
  old.SendHello(0, "0.0.1");
  const absl::Status version = old.WaitForEnd();
  EXPECT_TRUE(absl::IsFailedPrecondition(version)) << version;
  EXPECT_NE(Message(version).find("0.0.1"), std::string_view::npos) << version;

  FakeWorker& first = Connect();
  first.SendHello(1, kVersion, "avx2");
  for (int i = 0; i < 2000 && coordinator_->Status().workers_size() == 0; ++i) {
    std::this_thread::sleep_for(milliseconds(10));
  }
  FakeWorker& other = Connect();
  other.SendHello(2, kVersion, "portable");
  const absl::Status isa = other.WaitForEnd();
  EXPECT_TRUE(absl::IsFailedPrecondition(isa)) << isa;
  EXPECT_NE(Message(isa).find("portable"), std::string_view::npos) << isa;
}

TEST_F(CoordinatorTest, WorkersFaultWhileLoadingIsTheClustersWithItsRank) {
  ASSERT_NO_FATAL_FAILURE(Gather());
  worker(2).SendFault(absl::StatusCode::kInvalidArgument, "model-2.safetensors: truncated");
  const absl::Status status = End();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_NE(Message(status).find("rank 2 (host host-2, pid 102)"), std::string_view::npos)
      << status;
  EXPECT_NE(Message(status).find("model-2.safetensors: truncated"), std::string_view::npos);
  EXPECT_FALSE(worker(0).WaitForEnd().ok());
}

TEST_F(CoordinatorTest, BrokenConnectionEndsRequestsAndNamesTheRank) {
  ASSERT_NO_FATAL_FAILURE(Serve());
  const auto answer = Ask(1, 100);
  ReadPlan();
  worker(1).Break();
  const core::RequestFinish finish = answer->Wait();
  EXPECT_EQ(finish.reason, core::FinishReason::kError);
  EXPECT_TRUE(absl::IsUnavailable(finish.status)) << finish.status;
  EXPECT_NE(Message(finish.status).find("rank 1 "), std::string_view::npos) << finish.status;
  EXPECT_TRUE(absl::IsUnavailable(End())) << result_;
}

TEST_F(CoordinatorTest, AccusedPeerIsNamedAndNoneOfItsAccusers) {
  ASSERT_NO_FATAL_FAILURE(Serve());
  // Both neighbours notice first and leave; the coordinator sees rank 1's connection break last.
  for (const int accuser : {0, 2}) {
    worker(accuser).SendFault(absl::StatusCode::kUnavailable, "a peer closed its connection");
    worker(accuser).Leave();
  }
  worker(1).Break();
  const absl::Status status = End();
  EXPECT_NE(Message(status).find("rank 1 "), std::string_view::npos) << status;
}

TEST_F(CoordinatorTest, AccuserIsNamedWhenNobodyElseWasLost) {
  ASSERT_NO_FATAL_FAILURE(Serve());
  worker(2).SendFault(absl::StatusCode::kDeadlineExceeded, "rank 0 did not answer");
  const absl::Status status = End();
  EXPECT_NE(Message(status).find("rank 2 "), std::string_view::npos) << status;
  EXPECT_NE(Message(status).find("rank 0 did not answer"), std::string_view::npos) << status;
}

TEST_F(CoordinatorTest, NonsenseResultsEndTheClusterAndNotTheProcess) {
  ASSERT_NO_FATAL_FAILURE(Serve());
  const auto answer = Ask(1, 100);
  const v1::StepPlan plan = ReadPlan();
  for (int rank = 0; rank < kWorld; ++rank) worker(rank).SendResult(plan, rank, 1 << 30);
  EXPECT_EQ(answer->Wait().reason, core::FinishReason::kError);
  EXPECT_TRUE(absl::IsInternal(End())) << result_;
}

TEST_F(CoordinatorTest, ResultThatNobodyAskedForEndsTheCluster) {
  ASSERT_NO_FATAL_FAILURE(Serve());
  v1::StepPlan plan;
  plan.set_epoch(assignment_.plan().epoch());
  plan.set_step(9);
  worker(1).SendResult(plan, 1, kToken);
  EXPECT_TRUE(absl::IsInternal(End())) << result_;
}

TEST_F(CoordinatorTest, SecondHelloEndsTheClusterAndNotTheProcess) {
  ASSERT_NO_FATAL_FAILURE(Serve());
  worker(0).SendHello(0, kVersion);
  const absl::Status status = End();
  EXPECT_NE(Message(status).find("rank 0 "), std::string_view::npos) << status;
}

TEST_F(CoordinatorTest, StrangersWithoutHelloChangeNothing) {
  FakeWorker& stranger = Connect();
  v1::WorkerMessage message;
  stranger.Send(message);
  stranger.SendReady({});
  stranger.SendResult({}, 0, 1);
  stranger.SendFault(absl::StatusCode::kInternal, "boo");
  workers_.clear();
  ASSERT_NO_FATAL_FAILURE(Serve());
}

TEST_F(CoordinatorTest, WorkersHearFromTheirCoordinatorFromTheHelloOn) {
  Connect().SendHello(0, kVersion);
  EXPECT_TRUE(worker(0).ReadHeartbeat());
  EXPECT_TRUE(worker(0).ReadHeartbeat());
}

TEST_F(CoordinatorTest, EachRanksOwnLastStepIsShown) {
  ASSERT_NO_FATAL_FAILURE(Serve());
  const auto answer = Ask(1, 2);
  const v1::StepPlan plan = ReadPlan();
  for (int rank = 0; rank < kWorld - 1; ++rank) worker(rank).SendResult(plan, rank, kToken);
  const auto step_of = [&](int rank) { return coordinator_->Status().workers(rank).step(); };
  for (int i = 0; i < 2000 && step_of(kWorld - 2) == 0; ++i) {
    std::this_thread::sleep_for(milliseconds(10));
  }
  for (int rank = 0; rank < kWorld; ++rank) {
    EXPECT_EQ(step_of(rank), rank == kWorld - 1 ? 0u : plan.step()) << "rank " << rank;
  }
}

class StuckStepTest : public CoordinatorTest {
 protected:
  StuckStepTest() { step_deadline_ = milliseconds(1); }
};

// Its heartbeats may go on for ever.
TEST_F(StuckStepTest, StepThatNeverEndsEndsTheCluster) {
  ASSERT_NO_FATAL_FAILURE(Serve());
  const auto answer = Ask(1, 2);
  ReadPlan();  // and nobody answers
  EXPECT_EQ(answer->Wait().status.code(), absl::StatusCode::kUnavailable);
  const absl::Status end = End();
  EXPECT_EQ(end.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_NE(Message(end).find("no result from rank 0, 1, 2, 3"), std::string::npos) << end;
}

}  // namespace
}  // namespace switchyard
