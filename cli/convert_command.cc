#include "cli/convert_command.h"

#include <algorithm>
#include <filesystem>
#include <tuple>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/gguf.h"
#include "base/json.h"
#include "base/units.h"
#include "cli/progress_bar.h"
#include "coordinator/model_config.h"
#include "coordinator/text/gguf_tokenizer.h"
#include "worker/weights/block_fp8.h"
#include "worker/weights/checkpoint.h"
#include "worker/weights/decoder_tensors.h"
#include "worker/weights/gguf_blocks.h"
#include "worker/weights/gguf_matrix.h"
#include "worker/weights/job_runner.h"

namespace switchyard::cli {
namespace {

using kernels::Bf16;
using kernels::F8E4M3;
using worker::BlockSlice;
using worker::Checkpoint;
using worker::FileDtype;
using worker::kFp8BlockSize;
using worker::NumThreads;
using worker::PosixFile;
using worker::RunJobs;
using worker::ScaleName;
using worker::ShapeString;
using worker::TensorInfo;
using worker::TensorSpec;

constexpr int64_t kMaxConfigBytes = 16 * kMiB;
constexpr int64_t kJobBytes = 4 * kMiB;
// One row of an FP8 weight, and the scales that a job reads, stay below this: it bounds a job's
// memory.
constexpr int64_t kMaxRowElements = 64 * kMiB;

// A tensor of the result and where it comes from.
struct Conversion {
  const TensorInfo* source;
  const TensorInfo* scales;  // of an FP8 weight; null: copied as it is, but for GGUF's blocks

  bool by_rows() const { return scales != nullptr || source->gguf.has_value(); }
};

// A part of one conversion: rows of an FP8 weight or of blocks, or bytes of a copied tensor.
struct Job {
  size_t tensor;
  int64_t begin;
  int64_t end;
};

// A thread's memory, kept from job to job: fresh pages for every job would cost more than the work
// on them.
struct Scratch {
  std::vector<std::byte> bytes;
  std::vector<F8E4M3> weights;
  std::vector<uint8_t> exponents;
  std::vector<float> scales;
  std::vector<Bf16> values;
};

// Elements of a row, and what they become. Blocks are widened; rows that only lie in another order
// keep their type.
int64_t Columns(const TensorInfo& tensor) {
  return tensor.gguf.has_value() ? tensor.gguf->columns : tensor.shape[1];
}
FileDtype ResultType(const Conversion& conversion) {
  const TensorInfo& source = *conversion.source;
  if (!source.gguf.has_value()) {
    return conversion.scales != nullptr ? FileDtype::kBf16 : source.dtype;
  }
  return worker::PlainDtype(*source.gguf->type).value_or(FileDtype::kBf16);
}

// Fails unless the config declares FP8 in 128x128 blocks. Removes the declaration.
absl::Status TakeQuantization(Json& config) {
  const auto it = config.is_object() ? config.find("quantization_config") : config.end();
  if (it == config.end() || !it->is_object()) {
    return absl::InvalidArgumentError("has no quantization_config: the model is not quantised");
  }
  const Json method = it->value("quant_method", Json());
  const Json blocks = it->value("weight_block_size", Json());
  if (method != "fp8" || blocks != Json({kFp8BlockSize, kFp8BlockSize})) {
    return absl::UnimplementedError(fmt::format(
        "quantization_config: quant_method {} with weight_block_size {} cannot be converted, only "
        "\"fp8\" with [128,128]",
        method.dump(), blocks.dump()));
  }
  config.erase("quantization_config");
  return absl::OkStatus();
}

absl::StatusOr<Json> ReadConfig(const std::string& path) {
  SY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxConfigBytes));
  auto config = ParseJson(text);
  if (!config.ok()) return Annotate(config.status(), path);
  SY_RETURN_IF_ERROR(Annotate(TakeQuantization(*config), path));
  return config;
}

// What a GGUF file says, as config.json of the result.
absl::StatusOr<Json> GgufConfigOfResult(const std::string& path) {
  SY_ASSIGN_OR_RETURN(const ModelConfig made, ReadModelConfig(path));
  SY_ASSIGN_OR_RETURN(Json config, ParseJson(made.text));
  for (const char* own : {"unit_offset_norms", "fused_experts"}) {
    if (!config.contains(own)) continue;
    return absl::UnimplementedError(fmt::format(
        "{}: {} in a GGUF file stores its weights in another way than published checkpoints: it "
        "cannot be converted",
        path, config["model_type"].get<std::string>()));
  }
  if (config.contains("quantization_config")) config["torch_dtype"] = "bfloat16";
  config.erase("quantization_config");
  return config;
}

absl::Status AddGgufTokenizer(const std::string& path, CheckpointWriter& writer) {
  SY_ASSIGN_OR_RETURN(const GgufHeader header, ReadGguf(path));
  const auto tokenizer = text::GgufTokenizerJson(header.metadata);
  if (!tokenizer.ok()) return Annotate(tokenizer.status(), path);
  const auto config = text::GgufTokenizerConfig(header.metadata);
  if (!config.ok()) return Annotate(config.status(), path);
  SY_RETURN_IF_ERROR(writer.AddFile("tokenizer.json", tokenizer->dump(1) + "\n"));
  return writer.AddFile("tokenizer_config.json", config->dump(2) + "\n");
}

absl::Status CheckPair(const TensorInfo& weight, const TensorInfo& scales) {
  if (weight.shape.size() != 2 || weight.shape[1] > kMaxRowElements) {
    return absl::InvalidArgumentError(
        fmt::format("tensor \"{}\": {} is no matrix that can be converted", weight.name,
                    ShapeString(weight.shape)));
  }
  if (scales.dtype != FileDtype::kF32 && scales.dtype != FileDtype::kF8E8m0) {
    return absl::InvalidArgumentError(
        fmt::format("tensor \"{}\": scales must be F32 or F8_E8M0, not {}", scales.name,
                    FileDtypeName(scales.dtype)));
  }
  const worker::TensorShape blocks = {CeilDiv(weight.shape[0], kFp8BlockSize),
                                      CeilDiv(weight.shape[1], kFp8BlockSize)};
  if (scales.shape != blocks) {
    return absl::InvalidArgumentError(
        fmt::format("tensor \"{}\": shape {}, but a weight of {} has {} blocks", scales.name,
                    ShapeString(scales.shape), ShapeString(weight.shape), ShapeString(blocks)));
  }
  return absl::OkStatus();
}

bool IsFp8(const TensorInfo* tensor) {
  return tensor != nullptr && tensor->dtype == FileDtype::kF8E4m3;
}

// In the order of the source's bytes, so that reading is sequential.
absl::StatusOr<std::vector<Conversion>> PlanConversions(const Checkpoint& checkpoint) {
  std::vector<Conversion> conversions;
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    if (tensor.gguf.has_value() && tensor.name.ends_with("self_attn.k_b_proj.weight")) {
      return absl::UnimplementedError(
          fmt::format("{}: has kv_b_proj in halves (attn_k_b, attn_v_b), which are not converted",
                      checkpoint.folder()));
    }
    if (IsFp8(&tensor)) {
      const TensorInfo* scales = checkpoint.Find(ScaleName(tensor.name));
      if (scales == nullptr) {
        return absl::InvalidArgumentError(fmt::format("{}: FP8 tensor \"{}\" has no \"{}\"",
                                                      checkpoint.folder(), tensor.name,
                                                      ScaleName(tensor.name)));
      }
      SY_RETURN_IF_ERROR(Annotate(CheckPair(tensor, *scales), checkpoint.folder()));
      conversions.push_back({&tensor, scales});
    } else if (!tensor.name.ends_with(worker::kScaleSuffix)) {
      conversions.push_back({&tensor, nullptr});
    } else {
      const auto weight =
          std::string_view(tensor.name).substr(0, tensor.name.size() - worker::kScaleSuffix.size());
      if (IsFp8(checkpoint.Find(weight))) continue;
      return absl::InvalidArgumentError(
          fmt::format("{}: tensor \"{}\" scales no FP8 tensor", checkpoint.folder(), tensor.name));
    }
  }
  std::ranges::sort(conversions, [](const Conversion& a, const Conversion& b) {
    return std::tie(a.source->file, a.source->offset) < std::tie(b.source->file, b.source->offset);
  });
  return conversions;
}

std::vector<TensorSpec> ResultSpecs(std::span<const Conversion> conversions) {
  std::vector<TensorSpec> specs;
  for (const Conversion& conversion : conversions) {
    const TensorInfo& source = *conversion.source;
    worker::TensorShape shape = source.shape;
    if (source.gguf.has_value()) shape = {source.shape[0], source.gguf->columns};
    specs.push_back({source.name, ResultType(conversion), shape});
  }
  return specs;
}

std::vector<Job> PlanJobs(std::span<const Conversion> conversions) {
  std::vector<Job> jobs;
  for (size_t i = 0; i < conversions.size(); ++i) {
    const TensorInfo& source = *conversions[i].source;
    if (source.num_bytes == 0) continue;
    const bool rows = conversions[i].by_rows();
    const int64_t end = rows ? source.shape[0] : source.num_bytes;
    const int64_t unit_bytes =
        rows ? Columns(source) * FileDtypeBytes(ResultType(conversions[i])) : 1;
    const int64_t step = std::max<int64_t>(kJobBytes / unit_bytes, 1);
    for (int64_t begin = 0; begin < end; begin += step) {
      jobs.push_back({i, begin, std::min(begin + step, end)});
    }
  }
  return jobs;
}

class Converter {
 public:
  Converter(std::vector<Conversion> conversions, std::vector<PosixFile> files,
            CheckpointWriter* writer)
      : conversions_(std::move(conversions)), files_(std::move(files)), writer_(writer) {}

  // Any thread, each with its own scratch. Returns the bytes written.
  absl::StatusOr<int64_t> Run(const Job& job, Scratch& scratch) const {
    if (conversions_[job.tensor].source->gguf.has_value()) return Unpack(job, scratch);
    return conversions_[job.tensor].scales != nullptr ? Dequantize(job, scratch)
                                                      : Copy(job, scratch);
  }

 private:
  // Fills `out` with the elements from number `first` on.
  template <typename T>
  absl::Status Read(const TensorInfo& tensor, int64_t first, std::vector<T>& out) const {
    return files_[tensor.file].ReadAt(tensor.offset + first * int64_t(sizeof(T)),
                                      std::as_writable_bytes(std::span(out)));
  }

  absl::StatusOr<int64_t> Copy(const Job& job, Scratch& scratch) const {
    scratch.bytes.resize(job.end - job.begin);
    SY_RETURN_IF_ERROR(Read(*conversions_[job.tensor].source, job.begin, scratch.bytes));
    SY_RETURN_IF_ERROR(writer_->Write(job.tensor, job.begin, scratch.bytes));
    return int64_t(scratch.bytes.size());
  }

  absl::StatusOr<int64_t> Dequantize(const Job& job, Scratch& scratch) const {
    const auto& [source, scales] = conversions_[job.tensor];
    const int64_t cols = source->shape[1];
    const BlockSlice slice = {
        .row_begin = job.begin, .num_rows = job.end - job.begin, .num_cols = cols};
    scratch.weights.resize(slice.num_rows * cols);
    SY_RETURN_IF_ERROR(Read(*source, job.begin * cols, scratch.weights));
    SY_RETURN_IF_ERROR(ReadScales(*scales, slice, scratch));
    SY_RETURN_IF_ERROR(
        Annotate(CheckScales(scales->name, slice, scratch.scales), files_[scales->file].path()));
    scratch.values.resize(scratch.weights.size());
    DequantizeBlocks(slice, scratch.weights.data(), scratch.scales.data(), scratch.values.data());
    const auto bytes = std::as_bytes(std::span(scratch.values));
    SY_RETURN_IF_ERROR(writer_->Write(job.tensor, job.begin * cols * int64_t(sizeof(Bf16)), bytes));
    return int64_t(bytes.size());
  }

  absl::StatusOr<int64_t> Unpack(const Job& job, Scratch& scratch) const {
    const TensorInfo& source = *conversions_[job.tensor].source;
    const worker::MatrixSlice slice{.tensor = source.name,
                                    .rows = source.shape[0],
                                    .cols = source.gguf->columns,
                                    .row_begin = job.begin,
                                    .row_end = job.end};
    const auto stored = kernels::WeightForm::kStored;
    worker::GgufMatrix matrix(source, slice,
                              worker::GgufSourceType(*source.gguf->type, /*whole=*/false, stored));
    const worker::TensorRange range = matrix.range();
    matrix.set_bytes({.wanted = range, .read = range});
    scratch.bytes.resize(size_t(range.num_bytes()));
    SY_RETURN_IF_ERROR(files_[source.file].ReadAt(range.file_offset(), scratch.bytes));
    auto values = matrix.Decode([&](size_t) { return scratch.bytes.data(); });
    if (!values.ok()) return Annotate(values.status(), files_[source.file].path());
    std::span<const std::byte> bytes = values->values;
    const FileDtype type = ResultType(conversions_[job.tensor]);
    if (!worker::PlainDtype(*source.gguf->type)) {
      scratch.values.resize(bytes.size() / sizeof(float));
      const auto* const wide = reinterpret_cast<const float*>(bytes.data());
      std::transform(wide, wide + scratch.values.size(), scratch.values.begin(), kernels::ToBf16);
      bytes = std::as_bytes(std::span(scratch.values));
    }
    SY_RETURN_IF_ERROR(
        writer_->Write(job.tensor, job.begin * Columns(source) * FileDtypeBytes(type), bytes));
    return int64_t(bytes.size());
  }

  // The slice has all columns, so its scales lie in one stretch.
  absl::Status ReadScales(const TensorInfo& scales, const BlockSlice& slice,
                          Scratch& scratch) const {
    const int64_t first = slice.first_block_row() * slice.num_block_cols();
    scratch.scales.resize(slice.num_block_rows() * slice.num_block_cols());
    if (scales.dtype == FileDtype::kF32) return Read(scales, first, scratch.scales);
    scratch.exponents.resize(scratch.scales.size());
    SY_RETURN_IF_ERROR(Read(scales, first, scratch.exponents));
    std::ranges::transform(scratch.exponents, scratch.scales.begin(), worker::E8m0ToFloat);
    return absl::OkStatus();
  }

  const std::vector<Conversion> conversions_;
  const std::vector<PosixFile> files_;
  CheckpointWriter* const writer_;
};

}  // namespace

absl::Status RunConvert(const ConvertOptions& options) {
  if (options.to != "bf16") {
    return absl::UnimplementedError(fmt::format("--to {}: only bf16 can be made", options.to));
  }
  const bool gguf = IsGgufPath(options.model_folder);
  SY_ASSIGN_OR_RETURN(
      const Json config,
      gguf ? GgufConfigOfResult(options.model_folder)
           : ReadConfig(std::filesystem::path(options.model_folder) / "config.json"));
  SY_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Open(options.model_folder));
  SY_ASSIGN_OR_RETURN(std::vector<Conversion> conversions, PlanConversions(checkpoint));
  std::vector<PosixFile> files;
  for (const std::string& path : checkpoint.files()) {
    SY_ASSIGN_OR_RETURN(PosixFile file, PosixFile::OpenForRead(path));
    files.push_back(std::move(file));
  }
  SY_ASSIGN_OR_RETURN(const auto writer,
                      CheckpointWriter::Create(
                          {.out_folder = options.out_folder, .shard_bytes = options.shard_bytes},
                          ResultSpecs(conversions)));
  const std::vector<Job> jobs = PlanJobs(conversions);
  const Converter converter(std::move(conversions), std::move(files), writer.get());
  const int num_threads = NumThreads(options.num_threads);
  std::vector<Scratch> scratch(num_threads);
  ProgressBar progress("converting", writer->num_bytes());
  SY_RETURN_IF_ERROR(RunJobs(
      int64_t(jobs.size()), {.num_threads = num_threads, .cancel = options.cancel},
      [&](int64_t job, int thread) -> absl::Status {
        SY_ASSIGN_OR_RETURN(const int64_t num_bytes, converter.Run(jobs[job], scratch[thread]));
        progress.Add(num_bytes);
        return absl::OkStatus();
      }));
  SY_RETURN_IF_ERROR(writer->AddFile("config.json", config.dump(2) + "\n"));
  SY_RETURN_IF_ERROR(gguf ? AddGgufTokenizer(options.model_folder, *writer)
                          : writer->CopyTokenizerFiles(options.model_folder));
  return writer->Finish();
}

}  // namespace switchyard::cli
