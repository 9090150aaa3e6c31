#include "coordinator/gateway/inference_service.h"

#include <absl/strings/ascii.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "coordinator/gateway/access.h"
#include "coordinator/gateway/answer_start.h"
#include "coordinator/gateway/chat_spec.h"
#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/generate_answer.h"
#include "coordinator/gateway/generate_request.h"
#include "coordinator/gateway/reply_headers.h"
#include "coordinator/gateway/text_spec.h"
#include "coordinator/gateway/tokenize_handler.h"
#include "proto/inference.grpc.pb.h"

namespace switchyard::gateway {
namespace {

// Calls that are open at a time: as many as HTTP has connections.
constexpr int kMaxOpenCalls = 1024;
// Of one answer, waiting for the client to read: as much as HTTP lets pile up.
constexpr size_t kMaxQueuedBytes = 4 << 20;

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return {static_cast<grpc::StatusCode>(GrpcCodeOf(status)), ClientMessage(status)};
}

absl::Status TooManyCalls() {
  return absl::ResourceExhaustedError("too many calls are open; try again later");
}

// Joins two messages of one answer.
void Append(v1::GenerateResponse more, v1::GenerateResponse* response) {
  response->mutable_text()->append(more.text());
  response->mutable_reasoning()->append(more.reasoning());
  more.clear_text();
  more.clear_reasoning();
  response->MergeFrom(more);
}

// One call of Generate: gRPC's reactor and the answer's stream in one object, which lives until
// both have let go of it.
//
// One write is under way at a time; messages of one answer that come meanwhile are joined, so a
// slow client gets fewer and larger ones. A client that lets too much pile up is cut off.
class GenerateCall : public grpc::ServerWriteReactor<v1::GenerateResponse>,
                     public GenerateStream,
                     public std::enable_shared_from_this<GenerateCall> {
 public:
  using Count = std::shared_ptr<std::atomic<int>>;  // an answer may outlive the service

  // Counts itself in `num_open`. `work` outlives it.
  static GenerateCall* Create(grpc::CallbackServerContext& call_context, Executor& work,
                              const Count& num_open) {
    auto call = std::make_shared<GenerateCall>(call_context, work, num_open);
    call->self_ = call;
    return call.get();
  }
  GenerateCall(grpc::CallbackServerContext& call_context, Executor& work, const Count& num_open)
      : call_context_(call_context), work_(work), num_open_(num_open) {}
  ~GenerateCall() override { --*num_open_; }

  // Runs on the work executor.
  void Begin(CompletionContext& context, const v1::GenerateRequest& request,
             const RequestOrigin& origin) {
    const absl::Status status = StartRequest(context, request, origin);
    if (!status.ok()) End(status);
  }

  void Push(v1::GenerateResponse response) override {
    std::unique_lock lock(mutex_);
    if (end_) return;
    if (num_queued_bytes_ > max_queued_bytes_) return CutOff(std::move(lock));
    const size_t num_bytes = response.ByteSizeLong();
    num_queued_bytes_ += num_bytes;
    const bool joins = !queue_.empty() && queue_.back().index() == response.index() &&
                       queue_.back().finish_reason() == v1::FINISH_REASON_UNSPECIFIED &&
                       newest_bytes_ + num_bytes <= kMostMessageBytes;
    newest_bytes_ = num_bytes + (joins ? newest_bytes_ : 0);
    if (joins) {
      Append(std::move(response), &queue_.back());
    } else {
      queue_.push_back(std::move(response));
    }
    Proceed(std::move(lock));
  }

  void End(const absl::Status& status) override {
    std::unique_lock lock(mutex_);
    if (!end_) end_ = status;
    Proceed(std::move(lock));
  }

  void OnWriteDone(bool ok) override {
    std::unique_lock lock(mutex_);
    writing_ = false;
    ok ? Proceed(std::move(lock)) : Stop(std::move(lock));
  }

  // NOTE: a write under way still ends, with OnWriteDone(false); only then the call is finished.
  void OnCancel() override { Stop(std::unique_lock(mutex_)); }

  void OnDone() override { self_.reset(); }

 private:
  absl::Status StartRequest(CompletionContext& context, const v1::GenerateRequest& request,
                            const RequestOrigin& origin) {
    SY_ASSIGN_OR_RETURN(const auto fields, ReadGenerateRequest(request));
    if (const auto* chat = std::get_if<ChatCompletionRequest>(&fields)) {
      std::vector<CompletionSpec> specs(1);
      SY_ASSIGN_OR_RETURN(specs[0], BuildChatSpec(context, *chat, origin));
      AnswerHead head = MakeAnswerHead(Endpoint::kChat, *context.model);
      SetShown(chat->generation, specs, {}, &head);
      Warn(WarningOfIgnored(IgnoredFields(*context.model, *chat)));
      SY_ASSIGN_OR_RETURN(const LogprobRoom room,
                          TakeLogprobRoom(context, chat->generation, specs, kMessageLogprobs));
      Hold(room, &head);
      const AnswerShape shape = ShapeOf(chat->generation, specs, kMessageLogprobs);
      Launch(context, shape, std::move(specs), std::move(head));
      return absl::OkStatus();
    }
    const auto& text = std::get<CompletionRequest>(fields);
    SY_ASSIGN_OR_RETURN(std::vector<CompletionSpec> specs, BuildTextSpecs(context, text, origin));
    AnswerHead head = MakeAnswerHead(Endpoint::kCompletion, *context.model);
    SetShown(text.generation, specs, EchoesOf(*context.model, text, specs), &head);
    SY_ASSIGN_OR_RETURN(const LogprobRoom room,
                        TakeLogprobRoom(context, text.generation, specs, kMessageLogprobs));
    Hold(room, &head);
    const AnswerShape shape = ShapeOf(text.generation, specs, kMessageLogprobs);
    Launch(context, shape, std::move(specs), std::move(head));
    return absl::OkStatus();
  }

  // Before the answer's first message.
  void Warn(const std::string& warning) {
    if (warning.empty()) return;
    std::lock_guard lock(mutex_);
    if (finished_) return;  // the client went away
    call_context_.AddInitialMetadata(absl::AsciiStrToLower(kWarningHeader), warning);
  }

  // Until the answer is made, and until it is sent.
  void Hold(const LogprobRoom& room, AnswerHead* head) {
    std::lock_guard lock(mutex_);
    lease_ = room.lease;
    max_queued_bytes_ += static_cast<size_t>(room.num_bytes);
    head->lease = room.lease;
  }

  void Launch(CompletionContext& context, AnswerShape shape, std::vector<CompletionSpec> specs,
              AnswerHead head) {
    const std::shared_ptr<Answer> answer =
        MakeGenerateAnswer(std::move(head), shape, shared_from_this(), *context.metrics);
    {
      std::lock_guard lock(mutex_);
      answer_ = answer;
      if (cancelled_) return;
    }
    StartAnswer(context, shape, std::move(specs), answer);
    std::unique_lock lock(mutex_);
    const bool cancelled = cancelled_;
    lock.unlock();
    if (cancelled) answer->Cancel();
  }

  // The client went away.
  void Stop(std::unique_lock<std::mutex> lock) {
    cancelled_ = true;
    end_ = absl::CancelledError("the client cancelled the call");
    queue_.clear();
    const std::shared_ptr<Answer> answer = answer_.lock();
    Proceed(std::move(lock));
    if (answer) answer->Cancel();
  }

  // Called by the answer, which must not be called back: so another thread cancels both. OnCancel
  // need not come any more where the last write has ended just now.
  void CutOff(std::unique_lock<std::mutex> lock) {
    end_ = absl::ResourceExhaustedError("the client lets too much of the answer pile up");
    queue_.clear();
    if (finished_) return;
    cutting_off_ = true;
    lock.unlock();
    work_.Post([call = shared_from_this()] {
      call->call_context_.TryCancel();
      std::unique_lock done(call->mutex_);
      call->cutting_off_ = false;
      const std::shared_ptr<Answer> answer = call->answer_.lock();
      call->Proceed(std::move(done));
      if (answer) answer->Cancel();
    });
  }

  // Starts the next write, or finishes. The reactor's methods are called without the lock, since
  // they may call back.
  void Proceed(std::unique_lock<std::mutex> lock) {
    if (finished_ || writing_ || cutting_off_) return;
    if (!queue_.empty()) {
      writing_ = true;
      current_ = std::move(queue_.front());
      queue_.pop_front();
      num_queued_bytes_ -= std::min(num_queued_bytes_, current_.ByteSizeLong());
      lock.unlock();
      StartWrite(&current_);
    } else if (end_) {
      finished_ = true;
      const grpc::Status status = ToGrpc(*end_);
      const std::shared_ptr<GenerateCall> keep = shared_from_this();  // Finish may end in OnDone
      lock.unlock();
      Finish(status);
    }
  }

  grpc::CallbackServerContext& call_context_;  // until Finish
  Executor& work_;
  const Count num_open_;
  std::shared_ptr<GenerateCall> self_;  // gRPC's share of this object, until OnDone
  std::mutex mutex_;
  std::weak_ptr<Answer> answer_;
  LogprobLease lease_;
  size_t max_queued_bytes_ = kMaxQueuedBytes;
  v1::GenerateResponse current_;  // being written
  std::deque<v1::GenerateResponse> queue_;
  size_t num_queued_bytes_ = 0;  // about what the queue has
  size_t newest_bytes_ = 0;      // and its last message
  bool writing_ = false;
  bool cutting_off_ = false;  // call_context_ is in use
  bool cancelled_ = false;
  bool finished_ = false;  // Finish was called: the reactor may be gone
  std::optional<absl::Status> end_;
};

}  // namespace

class InferenceService::Impl : public v1::Inference::CallbackService {
 public:
  Impl(CompletionContext& context, Executor& work)
      : context_(context), work_(work), tokenize_(context, work) {}

  grpc::ServerWriteReactor<v1::GenerateResponse>* Generate(
      grpc::CallbackServerContext* context, const v1::GenerateRequest* request) override {
    const bool full = num_open_calls_->fetch_add(1) >= kMaxOpenCalls;
    GenerateCall* call = GenerateCall::Create(*context, work_, num_open_calls_);
    if (full) {
      call->End(TooManyCalls());
      return call;
    }
    absl::StatusOr<std::string> tenant = TenantOf(*context);
    if (!tenant.ok()) {
      call->End(tenant.status());
      return call;
    }
    // gRPC drops the request when the call is done, which a cancel can bring about at once: the
    // work gets a copy.
    work_.Post([this, call = call->shared_from_this(), request = *request,
                tenant = *std::move(tenant), arrived = std::chrono::steady_clock::now()] {
      call->Begin(context_, request, {.tenant = tenant, .arrived = arrived});
    });
    return call;
  }

  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context,
                                       const v1::ListModelsRequest*,
                                       v1::ListModelsResponse* response) override {
    const absl::Status status = TenantOf(*context).status();
    if (status.ok()) response->add_models(context_.model->name);
    return Finished(context, status);
  }

  grpc::ServerUnaryReactor* Tokenize(grpc::CallbackServerContext* context,
                                     const v1::TokenizeRequest* request,
                                     v1::TokenizeResponse* response) override {
    return Work(context, [this, request, response]() -> absl::Status {
      SY_ASSIGN_OR_RETURN(const Json fields, TokenizeFields(*request));
      SY_ASSIGN_OR_RETURN(const Json answer, tokenize_.Tokenize(fields));
      for (const Json& token : answer["tokens"]) response->add_tokens(token.get<int32_t>());
      for (const Json& text : answer["token_strs"]) {
        response->add_token_strs(text.get<std::string>());
      }
      response->set_max_model_len(answer["max_model_len"].get<int32_t>());
      return absl::OkStatus();
    });
  }

  grpc::ServerUnaryReactor* Detokenize(grpc::CallbackServerContext* context,
                                       const v1::DetokenizeRequest* request,
                                       v1::DetokenizeResponse* response) override {
    return Work(context, [this, request, response]() -> absl::Status {
      SY_ASSIGN_OR_RETURN(const Json answer, tokenize_.Detokenize(DetokenizeFields(*request)));
      response->set_prompt(answer["prompt"].get<std::string>());
      return absl::OkStatus();
    });
  }

  grpc::ServerUnaryReactor* GetLoad(grpc::CallbackServerContext* context, const v1::GetLoadRequest*,
                                    v1::GetLoadResponse* response) override {
    const absl::Status status = TenantOf(*context).status();
    if (!status.ok()) return Finished(context, status);
    const v1::StatusResponse cluster = context_.engine->Status();
    response->set_running_requests(cluster.running_requests());
    response->set_waiting_requests(cluster.waiting_requests());
    response->set_kv_blocks_free(cluster.kv_blocks_free());
    response->set_kv_blocks_total(cluster.kv_blocks_total());
    response->set_tokens_per_second(cluster.tokens_per_second());
    return Finished(context, status);
  }

 private:
  static grpc::ServerUnaryReactor* Finished(grpc::CallbackServerContext* context,
                                            const absl::Status& status) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(ToGrpc(status));
    return reactor;
  }

  // Has `answer` fill the response on the work executor. Request and response live until Finish.
  grpc::ServerUnaryReactor* Work(grpc::CallbackServerContext* context,
                                 std::function<absl::Status()> answer) {
    const absl::Status status = TenantOf(*context).status();
    if (!status.ok()) return Finished(context, status);
    if (num_open_calls_->fetch_add(1) >= kMaxOpenCalls) {
      --*num_open_calls_;
      return Finished(context, TooManyCalls());
    }
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    work_.Post([reactor, answer = std::move(answer), num_open = num_open_calls_] {
      const absl::Status done = answer();
      --*num_open;
      reactor->Finish(ToGrpc(done));
    });
    return reactor;
  }

  // The same metadata as HTTP's headers. Where no keys are in force, who the caller says to be.
  absl::StatusOr<std::string> TenantOf(const grpc::CallbackServerContext& context) const {
    const auto value = [&](const char* name) -> std::string_view {
      const auto found = context.client_metadata().find(name);
      if (found == context.client_metadata().end()) return {};
      return {found->second.data(), found->second.size()};
    };
    const Credentials credentials = {.authorization = value("authorization"),
                                     .api_key = value("x-api-key"),
                                     .tenant = value("x-tenant")};
    if (context_.keys == nullptr) return std::string(credentials.tenant);
    return Admit(*context_.keys, credentials);
  }

  CompletionContext& context_;
  Executor& work_;
  const TokenizeHandler tokenize_;  // for its answers; its routes are HTTP's
  const GenerateCall::Count num_open_calls_ = std::make_shared<std::atomic<int>>(0);
};

InferenceService::InferenceService(CompletionContext& context, Executor& work)
    : impl_(std::make_unique<Impl>(context, work)) {}
InferenceService::~InferenceService() = default;

grpc::Service* InferenceService::service() { return impl_.get(); }

}  // namespace switchyard::gateway
