#include "cli/logits_command.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "base/exit_code.h"
#include "base/file.h"
#include "base/json.h"
#include "base/units.h"
#include "cli/local_engine.h"
#include "cli/progress_bar.h"
#include "coordinator/core/plan/plan_check.h"
#include "coordinator/core/plan/weight_form.h"
#include "worker/weights/safetensors.h"

namespace switchyard::cli {
namespace {

constexpr int64_t kMaxPromptFileBytes = kGiB;
constexpr size_t kMaxIdBytes = 256;

struct Prompt {
  std::string id;
  std::vector<int32_t> tokens;
  int32_t prompt_length = 0;  // tokens beyond it were generated
  int32_t num_computed = 0;
  int64_t logits_tensor = 0;  // numbers of tensors in the output file
  int64_t tokens_tensor = -1;
};

absl::StatusOr<Prompt> ParsePrompt(std::string_view line, int64_t number,
                                   const v1::ModelSpec& model, int greedy) {
  const std::string where = fmt::format("line {}", number + 1);
  absl::StatusOr<Json> json = ParseJson(line);
  if (!json.ok()) return Annotate(json.status(), where);
  const auto fault = [&](std::string_view what) {
    return absl::InvalidArgumentError(fmt::format("{}: {}", where, what));
  };
  if (!json->is_object()) return fault("not a JSON object");
  Prompt prompt{.id = fmt::format("{}", number)};
  if (const auto id = json->find("id"); id != json->end()) {
    if (!id->is_string() && !id->is_number_integer())
      return fault("\"id\" is no string or integer");
    prompt.id = id->is_string() ? id->get<std::string>() : id->dump();
    // It becomes the name of a tensor.
    if (prompt.id.empty() || prompt.id.size() > kMaxIdBytes || OneLine(prompt.id) != prompt.id) {
      return fault(
          fmt::format("\"id\" must have 1 to {} bytes and no control character", kMaxIdBytes));
    }
  }
  const auto tokens = json->find("prompt_tokens");
  if (tokens == json->end() || !tokens->is_array() || tokens->empty()) {
    return fault("\"prompt_tokens\" must be a list of at least one token id");
  }
  const int64_t length = static_cast<int64_t>(tokens->size()) + greedy;
  if (length > model.max_position_embeddings()) {
    return fault(fmt::format("{} tokens, the model's context has {}", length,
                             model.max_position_embeddings()));
  }
  for (const Json& token : *tokens) {
    if (!token.is_number_integer() || token.get<int64_t>() < 0 ||
        token.get<int64_t>() >= model.vocab_size()) {
      return fault(fmt::format("\"prompt_tokens\": {} is no token of a vocabulary of {}",
                               token.dump(), model.vocab_size()));
    }
    prompt.tokens.push_back(token.get<int32_t>());
  }
  prompt.prompt_length = static_cast<int32_t>(prompt.tokens.size());
  return prompt;
}

absl::StatusOr<std::vector<Prompt>> ReadPrompts(const LogitsOptions& options,
                                                const v1::ModelSpec& model) {
  SY_ASSIGN_OR_RETURN(const std::string text, ReadFile(options.prompts_path, kMaxPromptFileBytes));
  std::vector<Prompt> prompts;
  std::set<std::string> ids;
  size_t begin = 0;
  for (int64_t number = 0; begin < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line(text.data() + begin, end - begin);
    begin = end + 1;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    absl::StatusOr<Prompt> prompt = ParsePrompt(line, number, model, options.greedy);
    if (!prompt.ok()) return Annotate(prompt.status(), options.prompts_path);
    if (!ids.insert(prompt->id).second) {
      return absl::InvalidArgumentError(fmt::format("{}: line {}: the id \"{}\" stands there twice",
                                                    options.prompts_path, number + 1, prompt->id));
    }
    prompts.push_back(*std::move(prompt));
  }
  if (prompts.empty()) {
    return absl::InvalidArgumentError(fmt::format("{}: no prompts", options.prompts_path));
  }
  return prompts;
}

absl::StatusOr<worker::SafetensorsWriter> CreateOutput(const LogitsOptions& options,
                                                       const v1::ModelSpec& model,
                                                       std::vector<Prompt>* prompts) {
  std::vector<worker::TensorSpec> tensors;
  for (Prompt& prompt : *prompts) {
    prompt.logits_tensor = static_cast<int64_t>(tensors.size());
    tensors.push_back({.name = "logits." + prompt.id,
                       .dtype = worker::FileDtype::kF32,
                       .shape = {prompt.prompt_length, model.vocab_size()}});
    if (options.greedy == 0) continue;
    prompt.tokens_tensor = static_cast<int64_t>(tensors.size());
    tensors.push_back({.name = "tokens." + prompt.id,
                       .dtype = worker::FileDtype::kI32,
                       .shape = {options.greedy}});
  }
  return worker::SafetensorsWriter::Create(options.out_path, std::move(tensors));
}

// Walks batches of prompts through the engine: every step each sequence of the batch computes its
// next chunk.
class PromptRunner {
 public:
  PromptRunner(const LogitsOptions& options, LocalEngine& engine)
      : options_(options), engine_(engine) {}

  // Computes prompts[first, first + count): sequence ids are their indices + 1.
  absl::Status RunBatch(std::vector<Prompt>& prompts, size_t first, size_t count) {
    const v1::ShardPlan& layout = engine_.plan();
    const int num_groups = layout.layout().data_parallel();
    v1::StepPlan start;
    for (size_t i = first; i < first + count; ++i) {
      v1::SequenceStart* sequence = start.add_started();
      sequence->set_sequence_id(i + 1);
      sequence->set_group(static_cast<int>((i - first) % num_groups));
      sequence->set_prompt_length(prompts[i].prompt_length);
    }
    for (bool first_step = true;; first_step = false) {
      v1::StepPlan step = first_step ? start : v1::StepPlan();
      for (int group = 0; group < num_groups; ++group) step.add_groups();
      bool work_left = false;
      for (size_t i = first; i < first + count; ++i) {
        work_left |= AddWork(prompts[i], i + 1, (i - first) / num_groups,
                             step.mutable_groups(static_cast<int>((i - first) % num_groups)));
      }
      if (!work_left) break;
      if (options_.cancel != nullptr && *options_.cancel) {
        return absl::CancelledError("stopped; nothing was written");
      }
      SY_RETURN_IF_ERROR(Run(&step, prompts));
    }
    for (size_t i = first; i < first + count; ++i) to_release_.push_back(i + 1);
    return absl::OkStatus();
  }

 private:
  // The next chunk of one sequence; false when it is done. `place` numbers the sequence within its
  // group.
  bool AddWork(Prompt& prompt, uint64_t id, size_t place, v1::GroupWork* group) {
    const int32_t known = static_cast<int32_t>(prompt.tokens.size());
    const int32_t wanted = prompt.prompt_length + options_.greedy;
    if (prompt.num_computed >= prompt.prompt_length && known == wanted) return false;
    const int32_t begin = prompt.num_computed;
    const int32_t end = std::min(known, begin + options_.chunk);
    v1::SequenceWork* work = group->add_sequences();
    work->set_sequence_id(id);
    work->set_begin_position(begin);
    for (int32_t i = begin; i < end; ++i) work->add_tokens(prompt.tokens[i]);
    work->set_sample(end == known && known < wanted);
    const v1::ShardPlan& plan = engine_.plan();
    const int32_t block_tokens = plan.kv().block_tokens();
    const int32_t per_sequence = plan.kv().num_blocks() / options_.batch;
    for (int64_t block = CeilDiv(begin, block_tokens); block < CeilDiv(end, block_tokens);
         ++block) {
      work->add_new_blocks(static_cast<int32_t>(place * per_sequence + block));
    }
    prompt.num_computed = end;
    return true;
  }

  absl::Status Run(v1::StepPlan* step, std::vector<Prompt>& prompts) {
    step->set_epoch(engine_.plan().epoch());
    step->set_step(++last_step_);
    step->set_placement_version(engine_.plan().placement().version());
    for (uint64_t id : to_release_) step->add_released(id);
    to_release_.clear();
    SY_ASSIGN_OR_RETURN(const v1::StepResult result, engine_.RunStep(*step));
    for (const v1::SampledToken& sampled : result.sampled()) {
      prompts[sampled.sequence_id() - 1].tokens.push_back(sampled.token());
    }
    return absl::OkStatus();
  }

  const LogitsOptions& options_;
  LocalEngine& engine_;
  uint64_t last_step_ = 0;
  std::vector<uint64_t> to_release_;
};

absl::Status CheckOptions(const LogitsOptions& options) {
  const auto check = [](std::string_view flag, int value, int low, int high) -> absl::Status {
    if (value >= low && value <= high) return absl::OkStatus();
    return absl::InvalidArgumentError(
        fmt::format("{} is {}; it must be between {} and {}", flag, value, low, high));
  };
  SY_RETURN_IF_ERROR(check("--chunk", options.chunk, 1, 65536));
  SY_RETURN_IF_ERROR(check("--batch", options.batch, 1, 1024));
  SY_RETURN_IF_ERROR(
      check("--chunk times --batch", options.chunk * options.batch, 1, core::kMaxBatchedTokens));
  return check("--greedy", options.greedy, 0, 1 << 20);
}

}  // namespace

absl::StatusOr<int> ParseComputeMode(const std::string& name) {
  if (name == "bf16") return v1::COMPUTE_MODE_BF16;
  if (name == "f32") return v1::COMPUTE_MODE_F32;
  if (name == "w8a8") return v1::COMPUTE_MODE_W8A8;
  return absl::InvalidArgumentError(
      fmt::format("--compute is \"{}\"; it must be bf16, f32 or w8a8", name));
}

absl::Status RunLogits(const LogitsOptions& options) {
  SY_RETURN_IF_ERROR(CheckOptions(options));
  SY_ASSIGN_OR_RETURN(const int compute, ParseComputeMode(options.compute));
  SY_ASSIGN_OR_RETURN(const v1::WeightForm weights, core::ParseWeightForm(options.weights));
  SY_ASSIGN_OR_RETURN(const v1::ModelSpec model, ReadModelSpec(options.model_path));
  SY_ASSIGN_OR_RETURN(std::vector<Prompt> prompts, ReadPrompts(options, model));
  SY_ASSIGN_OR_RETURN(worker::SafetensorsWriter out, CreateOutput(options, model, &prompts));

  size_t longest = 0;
  int64_t num_positions = 0;  // of all prompts; the last generated token is not computed
  for (const Prompt& prompt : prompts) {
    longest = std::max(longest, prompt.tokens.size());
    num_positions += prompt.prompt_length + std::max(options.greedy - 1, 0);
  }
  constexpr int64_t kBlockTokens = 16;  // PlanRequest's
  std::mutex mutex;
  absl::Status write_status;
  const int64_t vocab = model.vocab_size();
  const int64_t row_bytes = vocab * int64_t{sizeof(float)};
  std::optional<ProgressBar> progress;  // from the end of loading on
  const auto keep = [&](uint64_t id, int32_t position, const float* logits) {
    const Prompt& prompt = prompts[id - 1];
    progress->Add(row_bytes);
    if (position >= prompt.prompt_length) return;
    const absl::Status status =
        out.Write(prompt.logits_tensor, position * row_bytes,
                  {reinterpret_cast<const std::byte*>(logits), static_cast<size_t>(row_bytes)});
    std::lock_guard lock(mutex);
    write_status.Update(status);
  };
  SY_ASSIGN_OR_RETURN(
      const std::unique_ptr<LocalEngine> engine,
      LocalEngine::Create(
          {.model_path = options.model_path,
           .data_parallel = options.data_parallel,
           .tensor_parallel = options.tensor_parallel,
           .compute = static_cast<v1::ComputeMode>(compute),
           .weights = weights,
           .max_batched_tokens = options.chunk * options.batch,
           .max_running = options.batch,
           .num_kv_blocks =
               options.batch * CeilDiv(int64_t(longest) + options.greedy, kBlockTokens),
           .num_threads = options.num_threads,
           .isa = options.isa,
           .backend = options.backend,
           .packed_cache = options.packed_cache,
           .load_progress = true,
           .load_note = [](const worker::LoadNote& note) { fmt::print(stderr, "{}\n", note.text); },
           .cancel = options.cancel,
           .logits_sink = keep}));

  progress.emplace("computing", num_positions * row_bytes);
  PromptRunner runner(options, *engine);
  const size_t together = static_cast<size_t>(options.batch) * options.data_parallel;
  for (size_t first = 0; first < prompts.size(); first += together) {
    const size_t count = std::min(together, prompts.size() - first);
    SY_RETURN_IF_ERROR(runner.RunBatch(prompts, first, count));
    SY_RETURN_IF_ERROR(write_status);
    for (size_t i = first; i < first + count && options.greedy > 0; ++i) {
      const std::span<const int32_t> generated =
          std::span(prompts[i].tokens).subspan(prompts[i].prompt_length);
      SY_RETURN_IF_ERROR(out.Write(prompts[i].tokens_tensor, 0, std::as_bytes(generated)));
    }
  }
  return out.Finish();
}

}  // namespace switchyard::cli
