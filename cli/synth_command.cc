#include "cli/synth_command.h"

#include <fnmatch.h>
#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/units.h"
#include "cli/progress_bar.h"
#include "cli/synth_values.h"
#include "coordinator/core/plan/hf_config.h"
#include "worker/weights/block_fp8.h"
#include "worker/weights/decoder_tensors.h"
#include "worker/weights/job_runner.h"

namespace switchyard::cli {
namespace {

using kernels::Bf16;
using kernels::F8E4M3;
using worker::kFp8BlockSize;
using worker::ModelTensor;
using worker::NumThreads;
using worker::RunJobs;
using worker::TensorKind;

constexpr int64_t kMaxConfigBytes = 16 * kMiB;
constexpr int64_t kMaxTensors = 1'000'000;    // ten times those of DeepSeek-V3
constexpr float kMostDeviations = 3.5f;       // of NormalValues
constexpr int64_t kJobElements = 256 * kKiB;  // with its results it fits a core's cache

// Rows of one tensor; of an FP8 weight whole blocks of rows.
struct Job {
  size_t tensor;
  int64_t row_begin;
  int64_t row_end;
  bool hole;  // all rows: zeros, without disk
};

// Of one entry of dimension 0.
int64_t NumCols(const ModelTensor& tensor) {
  int64_t cols = 1;
  for (size_t i = 1; i < tensor.shape.size(); ++i) cols *= tensor.shape[i];
  return cols;
}

// A thread's memory, kept from job to job: fresh pages for every job would cost more than the
// numbers in them.
struct Scratch {
  std::vector<float> values;
  std::vector<Bf16> rounded;
  std::vector<F8E4M3> quantized;
  std::vector<float> scales;
};

NormalValues ValuesOf(const ModelTensor& tensor, uint64_t seed) {
  const uint64_t key = SynthKey(seed, tensor.copy_of.empty() ? tensor.name : tensor.copy_of);
  switch (tensor.kind) {
    case TensorKind::kEmbedding:
      return {.key = key};
    case TensorKind::kNorm:
      return {.key = key, .mean = 1.0f, .deviation = 0.1f};
    case TensorKind::kBias:
      return {.key = key, .deviation = 0.02f};
    case TensorKind::kScoreBias:
      // Small beside the spread of the scores, which it is to nudge, not to decide.
      return {.key = key, .deviation = 0.01f};
    case TensorKind::kOffsetNorm:
      return {.key = key, .deviation = 0.1f};
    case TensorKind::kTransposed:
      return {.key = key, .deviation = 1.0f / std::sqrt(float(tensor.shape[1]))};
    case TensorKind::kBytes:  // left out of the config: ReadConfig
    case TensorKind::kLinear:
    case TensorKind::kPlainLinear:
      break;
  }
  return {.key = key, .deviation = 1.0f / std::sqrt(float(NumCols(tensor)))};
}

// Makes config.json say what the tensors will be.
absl::StatusOr<Json> ReadConfig(const std::string& path, bool fp8) {
  SY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxConfigBytes));
  auto config = ParseJson(text);
  if (!config.ok()) return Annotate(config.status(), path);
  if (!config->is_object()) {
    return absl::InvalidArgumentError(fmt::format("{}: is not a JSON object", path));
  }
  (*config)["torch_dtype"] = "bfloat16";
  if (!fp8) {
    config->erase("quantization_config");
  } else if (!config->contains("quantization_config")) {
    (*config)["quantization_config"] = {{"activation_scheme", "dynamic"},
                                        {"fmt", "e4m3"},
                                        {"quant_method", "fp8"},
                                        {"weight_block_size", {kFp8BlockSize, kFp8BlockSize}}};
  }
  return config;
}

absl::StatusOr<std::vector<ModelTensor>> ListTensors(const Json& config, const std::string& path) {
  SY_ASSIGN_OR_RETURN(const v1::ModelSpec model, core::ParseHfConfig(config.dump(), path));
  // Before the list is made: it must fit memory.
  const int64_t tensors_per_layer = 6 * (model.moe().num_routed_experts() + int64_t{5});
  const int64_t num_tensors =
      (int64_t{model.num_layers()} + model.num_mtp_layers()) * tensors_per_layer;
  if (num_tensors > kMaxTensors) {
    return absl::InvalidArgumentError(
        fmt::format("{}: about {} tensors, the limit is {}", path, num_tensors, kMaxTensors));
  }
  if (model.moe().mxfp4()) {
    return absl::UnimplementedError(
        fmt::format("{}: quantization_config.quant_method = \"mxfp4\": synth writes experts in "
                    "BF16, ask for --dtype bf16",
                    path));
  }
  return worker::DecoderTensors(model);
}

bool MatchesAny(const std::string& name, const std::vector<std::string>& patterns) {
  return std::ranges::any_of(patterns, [&](const std::string& pattern) {
    return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
  });
}

class Synthesizer {
 public:
  Synthesizer(std::vector<ModelTensor> tensors, const SynthOptions& options)
      : tensors_(std::move(tensors)), options_(options), fp8_(options.dtype == "fp8") {
    for (const ModelTensor& tensor : tensors_) {
      first_spec_.push_back(specs_.size());
      for (worker::TensorSpec& spec : StoredAs(tensor, fp8_)) specs_.push_back(std::move(spec));
    }
  }

  const std::vector<worker::TensorSpec>& specs() const { return specs_; }

  std::vector<Job> Jobs() const {
    std::vector<Job> jobs;
    for (size_t i = 0; i < tensors_.size(); ++i) {
      const int64_t num_rows = tensors_[i].shape[0];
      if (IsHole(i)) {
        jobs.push_back({i, 0, num_rows, true});
        continue;
      }
      const int64_t enough = CeilDiv(kJobElements, NumCols(tensors_[i]));
      // Blocks of FP8 are of matrices.
      const int64_t step = tensors_[i].shape.size() == 2 ? RoundUp(enough, kFp8BlockSize) : enough;
      for (int64_t row = 0; row < num_rows; row += step) {
        jobs.push_back({i, row, std::min(row + step, num_rows), false});
      }
    }
    return jobs;
  }

  // Any thread, each with its own scratch. Returns the bytes that are done with it.
  absl::StatusOr<int64_t> Run(const Job& job, Scratch& scratch, CheckpointWriter& writer) const {
    const ModelTensor& tensor = tensors_[job.tensor];
    if (job.hole) return LeaveHole(job.tensor, writer);
    const int64_t first_element = job.row_begin * NumCols(tensor);
    scratch.values.resize((job.row_end - job.row_begin) * NumCols(tensor));
    ValuesOf(tensor, options_.seed).Fill(first_element, scratch.values);
    const size_t spec = first_spec_[job.tensor];
    switch (specs_[spec].dtype) {
      case worker::FileDtype::kF8E4m3:
        return WriteQuantized(job, scratch, writer);
      case worker::FileDtype::kBf16:
        scratch.rounded.resize(scratch.values.size());
        std::ranges::transform(scratch.values, scratch.rounded.begin(), kernels::ToBf16);
        return WriteElements(spec, first_element, scratch.rounded, writer);
      default:
        return WriteElements(spec, first_element, scratch.values, writer);
    }
  }

 private:
  bool IsHole(size_t tensor) const {
    if (!options_.sparse || MatchesAny(tensors_[tensor].name, options_.fill)) return false;
    const worker::TensorSpec& spec = specs_[first_spec_[tensor]];
    return spec.dtype == worker::FileDtype::kF8E4m3 || NumBytes(spec) > kMostSparseBytes;
  }

  // Zeros of FP8 have scales like any other numbers.
  absl::StatusOr<int64_t> LeaveHole(size_t tensor, CheckpointWriter& writer) const {
    const size_t spec = first_spec_[tensor];
    SY_RETURN_IF_ERROR(writer.LeaveZeros(spec));
    const int64_t weight_bytes = NumBytes(specs_[spec]);
    if (specs_[spec].dtype != worker::FileDtype::kF8E4m3) return weight_bytes;
    const float largest = kMostDeviations * ValuesOf(tensors_[tensor], options_.seed).deviation;
    const std::vector<float> scales(NumBytes(specs_[spec + 1]) / int64_t{sizeof(float)},
                                    largest / worker::kFp8Max);
    SY_ASSIGN_OR_RETURN(const int64_t scale_bytes, WriteElements(spec + 1, 0, scales, writer));
    return weight_bytes + scale_bytes;
  }

  template <typename T>
  static absl::StatusOr<int64_t> WriteElements(size_t spec, int64_t first,
                                               const std::vector<T>& elements,
                                               CheckpointWriter& writer) {
    const auto bytes = std::as_bytes(std::span(elements));
    SY_RETURN_IF_ERROR(writer.Write(spec, first * int64_t(sizeof(T)), bytes));
    return int64_t(bytes.size());
  }

  absl::StatusOr<int64_t> WriteQuantized(const Job& job, Scratch& scratch,
                                         CheckpointWriter& writer) const {
    const worker::BlockSlice slice = {.row_begin = job.row_begin,
                                      .num_rows = job.row_end - job.row_begin,
                                      .num_cols = NumCols(tensors_[job.tensor])};
    scratch.quantized.resize(scratch.values.size());
    scratch.scales.resize(slice.num_block_rows() * slice.num_block_cols());
    QuantizeBlocks(slice, scratch.values.data(), scratch.quantized.data(), scratch.scales.data());
    const size_t spec = first_spec_[job.tensor];
    const int64_t first_scale = slice.first_block_row() * slice.num_block_cols();
    SY_ASSIGN_OR_RETURN(
        const int64_t weight_bytes,
        WriteElements(spec, job.row_begin * slice.num_cols, scratch.quantized, writer));
    SY_ASSIGN_OR_RETURN(const int64_t scale_bytes,
                        WriteElements(spec + 1, first_scale, scratch.scales, writer));
    return weight_bytes + scale_bytes;
  }

  const std::vector<ModelTensor> tensors_;
  const SynthOptions& options_;
  const bool fp8_;
  std::vector<worker::TensorSpec> specs_;  // what is stored
  std::vector<size_t> first_spec_;         // of each tensor; an FP8 weight's scales follow it
};

int64_t DiskBytes(const std::string& folder) {
  int64_t sum = 0;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    struct stat info;
    constexpr int64_t kStatBlockBytes = 512;
    if (stat(entry.path().c_str(), &info) == 0) sum += int64_t{info.st_blocks} * kStatBlockBytes;
  }
  return sum;
}

}  // namespace

absl::Status RunSynth(const SynthOptions& options, SynthReport* report) {
  const bool fp8 = options.dtype == "fp8";
  if (!fp8 && options.dtype != "bf16") {
    return absl::InvalidArgumentError(
        fmt::format("--dtype {}: must be bf16 or fp8", options.dtype));
  }
  if (!options.sparse && !options.fill.empty()) {
    return absl::InvalidArgumentError("--fill says what --sparse is to write in full: give both");
  }
  SY_ASSIGN_OR_RETURN(const Json config, ReadConfig(options.config_path, fp8));
  SY_ASSIGN_OR_RETURN(std::vector<ModelTensor> tensors, ListTensors(config, options.config_path));
  const Synthesizer synthesizer(std::move(tensors), options);
  SY_ASSIGN_OR_RETURN(
      const auto writer,
      CheckpointWriter::Create(
          {.out_folder = options.out_folder,
           .shard_bytes = options.shard_bytes,
           .space = options.sparse ? worker::DiskSpace::kSparse : worker::DiskSpace::kReserved},
          synthesizer.specs()));
  const std::vector<Job> jobs = synthesizer.Jobs();
  const int num_threads = NumThreads(options.num_threads);
  std::vector<Scratch> scratch(num_threads);
  ProgressBar progress("making weights", writer->num_bytes());
  SY_RETURN_IF_ERROR(
      RunJobs(int64_t(jobs.size()), {.num_threads = num_threads, .cancel = options.cancel},
              [&](int64_t job, int thread) -> absl::Status {
                SY_ASSIGN_OR_RETURN(const int64_t num_bytes,
                                    synthesizer.Run(jobs[job], scratch[thread], *writer));
                progress.Add(num_bytes);
                return absl::OkStatus();
              }));
  SY_RETURN_IF_ERROR(writer->AddFile("config.json", config.dump(2) + "\n"));
  if (!options.tokenizer_folder.empty()) {
    SY_RETURN_IF_ERROR(writer->CopyTokenizerFiles(options.tokenizer_folder));
  }
  SY_RETURN_IF_ERROR(writer->Finish());
  if (report != nullptr) {
    *report = {.num_tensors = std::ssize(synthesizer.specs()),
               .num_bytes = writer->num_bytes(),
               .num_files = static_cast<int64_t>(writer->num_files()),
               .disk_bytes = DiskBytes(options.out_folder)};
  }
  return absl::OkStatus();
}

}  // namespace switchyard::cli
