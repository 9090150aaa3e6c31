#include "coordinator/gateway/inference_service.h"

#include <atomic>
#include <mutex>
#include <optional>
#include <utility>

#include "coordinator/gateway/access.h"
#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/openai_types.h"
#include "coordinator/gateway/request_builder.h"
#include "proto/inference.grpc.pb.h"

namespace switchyard::gateway {
namespace {

// Calls of Generate that are open at a time: as many as HTTP has connections.
constexpr int kMaxOpenCalls = 1024;

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return {static_cast<grpc::StatusCode>(GrpcCodeOf(status)), ClientMessage(status)};
}

absl::StatusOr<ChatFields> ToChatFields(const v1::ChatPrompt& prompt) {
  ChatFields chat{.messages = Json::array(), .template_kwargs = Json::object()};
  for (const v1::ChatMessage& message : prompt.messages()) {
    chat.messages.push_back({{"role", message.role()}, {"content", message.content()}});
  }
  if (!prompt.tools_json().empty()) {
    absl::StatusOr<Json> tools = ParseJson(prompt.tools_json());
    if (!tools.ok()) return Annotate(tools.status(), "tools_json");
    chat.tools = *std::move(tools);
  }
  if (!prompt.template_kwargs_json().empty()) {
    absl::StatusOr<Json> kwargs = ParseJson(prompt.template_kwargs_json());
    if (!kwargs.ok()) return Annotate(kwargs.status(), "template_kwargs_json");
    chat.template_kwargs = *std::move(kwargs);
  }
  SY_RETURN_IF_ERROR(CheckChat(&chat));
  return chat;
}

GenerationFields ToGenerationFields(const v1::GenerateRequest& request) {
  GenerationFields fields{.model = request.model()};
  fields.sampling.ignore_eos = request.ignore_eos();
  if (request.has_max_tokens()) fields.max_tokens = request.max_tokens();
  if (request.has_temperature()) fields.sampling.temperature = request.temperature();
  if (request.has_top_p()) fields.sampling.top_p = request.top_p();
  if (request.has_top_k()) fields.sampling.top_k = request.top_k();
  if (request.has_seed()) fields.sampling.seed = request.seed();
  fields.stop.assign(request.stop().begin(), request.stop().end());
  return fields;
}

absl::StatusOr<std::vector<int32_t>> PromptTokens(const ServedModel& model,
                                                  const v1::GenerateRequest& request) {
  switch (request.prompt_case()) {
    case v1::GenerateRequest::kText:
      return EncodeText(model, request.text());
    case v1::GenerateRequest::kChat: {
      SY_ASSIGN_OR_RETURN(const ChatFields chat, ToChatFields(request.chat()));
      return EncodeChat(model, chat);
    }
    case v1::GenerateRequest::kTokens: {
      std::vector<int32_t> tokens(request.tokens().tokens().begin(),
                                  request.tokens().tokens().end());
      SY_RETURN_IF_ERROR(CheckTokens(model, tokens));
      return tokens;
    }
    case v1::GenerateRequest::PROMPT_NOT_SET:
      break;
  }
  return ParamError("prompt", "the request has no prompt: set text, chat or tokens");
}

absl::StatusOr<CompletionSpec> ToSpec(const CompletionContext& context,
                                      const v1::GenerateRequest& request, std::string_view tenant) {
  const ServedModel& model = *context.model;
  GenerationFields fields = ToGenerationFields(request);
  SY_RETURN_IF_ERROR(ReadTenant(tenant, &fields.scheduling));
  SY_RETURN_IF_ERROR(CheckModelName(model, fields.model));
  SY_RETURN_IF_ERROR(CheckGeneration(fields));
  SY_ASSIGN_OR_RETURN(std::vector<int32_t> tokens, PromptTokens(model, request));
  return BuildSpec(model, ContextLength(model, *context.engine), fields, std::move(tokens));
}

// One call of Generate: gRPC's reactor and the completion's sink in one object, which lives until
// both have let go of it.
//
// One write is under way at a time; deltas that come meanwhile join the next message, so a slow
// client gets fewer and larger ones. What waits is at most one answer, which max_tokens bounds.
class GenerateCall : public grpc::ServerWriteReactor<v1::GenerateResponse>,
                     public CompletionSink,
                     public std::enable_shared_from_this<GenerateCall> {
 public:
  // Counts itself in `num_open`, which outlives it.
  static GenerateCall* Create(std::atomic<int>& num_open) {
    auto call = std::make_shared<GenerateCall>(num_open);
    call->self_ = call;
    return call.get();
  }
  explicit GenerateCall(std::atomic<int>& num_open) : num_open_(num_open) {}
  ~GenerateCall() override { --num_open_; }

  void Fail(const absl::Status& status) {
    std::unique_lock lock(mutex_);
    end_ = status;
    Proceed(std::move(lock));
  }

  // Runs on the work executor.
  void Begin(CompletionContext& context, const v1::GenerateRequest& request,
             std::string_view tenant) {
    absl::StatusOr<CompletionSpec> spec = ToSpec(context, request, tenant);
    if (!spec.ok()) return Fail(spec.status());
    auto completion = Completion::Start(context, *std::move(spec), shared_from_this());
    if (!completion.ok()) return Fail(completion.status());
    std::unique_lock lock(mutex_);
    completion_ = *completion;
    const bool cancelled = cancelled_;
    lock.unlock();
    if (cancelled) (*completion)->Cancel();
  }

  void OnDelta(CompletionDelta delta) override {
    std::unique_lock lock(mutex_);
    next_.mutable_text()->append(delta.text);
    for (const core::TokenOutput& output : delta.tokens) next_.add_tokens(output.token);
    next_is_empty_ = false;
    Proceed(std::move(lock));
  }

  void OnEnd(const CompletionEnd& end) override {
    std::unique_lock lock(mutex_);
    end_ = end.status;
    if (end.status.ok()) {
      next_.set_finish_reason(end.reason == core::FinishReason::kLength ? v1::FINISH_REASON_LENGTH
                                                                        : v1::FINISH_REASON_STOP);
      next_.mutable_usage()->set_prompt_tokens(end.num_prompt_tokens);
      next_.mutable_usage()->set_completion_tokens(end.num_completion_tokens);
      next_is_empty_ = false;
    }
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
  // The client went away.
  void Stop(std::unique_lock<std::mutex> lock) {
    cancelled_ = true;
    end_ = absl::CancelledError("the client cancelled the call");
    next_is_empty_ = true;
    const std::shared_ptr<Completion> completion = completion_.lock();
    Proceed(std::move(lock));
    if (completion) completion->Cancel();
  }

  // Starts the next write, or finishes. The reactor's methods are called without the lock, since
  // they may call back.
  void Proceed(std::unique_lock<std::mutex> lock) {
    if (finished_ || writing_) return;
    if (!next_is_empty_) {
      writing_ = true;
      current_.Clear();
      current_.Swap(&next_);
      next_is_empty_ = true;
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

  std::atomic<int>& num_open_;
  std::shared_ptr<GenerateCall> self_;  // gRPC's share of this object, until OnDone
  std::mutex mutex_;
  std::weak_ptr<Completion> completion_;
  v1::GenerateResponse current_;  // being written
  v1::GenerateResponse next_;
  bool next_is_empty_ = true;
  bool writing_ = false;
  bool cancelled_ = false;
  bool finished_ = false;  // Finish was called: the reactor may be gone
  std::optional<absl::Status> end_;
};

}  // namespace

class InferenceService::Impl : public v1::Inference::CallbackService {
 public:
  Impl(CompletionContext& context, Executor& work) : context_(context), work_(work) {}

  grpc::ServerWriteReactor<v1::GenerateResponse>* Generate(
      grpc::CallbackServerContext* context, const v1::GenerateRequest* request) override {
    const bool full = num_open_calls_.fetch_add(1) >= kMaxOpenCalls;
    GenerateCall* call = GenerateCall::Create(num_open_calls_);
    if (full) {
      call->Fail(absl::ResourceExhaustedError("too many calls are open; try again later"));
      return call;
    }
    absl::StatusOr<std::string> tenant = TenantOf(*context);
    if (!tenant.ok()) {
      call->Fail(tenant.status());
      return call;
    }
    // gRPC drops the request when the call is done, which a cancel can bring about at once: the
    // work gets a copy.
    work_.Post([this, call = call->shared_from_this(), request = *request,
                tenant = *std::move(tenant)] { call->Begin(context_, request, tenant); });
    return call;
  }

  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context,
                                       const v1::ListModelsRequest*,
                                       v1::ListModelsResponse* response) override {
    const absl::Status status = TenantOf(*context).status();
    if (status.ok()) response->add_models(context_.model->name);
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(ToGrpc(status));
    return reactor;
  }

 private:
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
  std::atomic<int> num_open_calls_{0};
};

InferenceService::InferenceService(CompletionContext& context, Executor& work)
    : impl_(std::make_unique<Impl>(context, work)) {}
InferenceService::~InferenceService() = default;

grpc::Service* InferenceService::service() { return impl_.get(); }

}  // namespace switchyard::gateway
