#include "tests/testing/golden.h"

#include <algorithm>
#include <cmath>
#include <fstream>

#include "base/check.h"
#include "base/json.h"

namespace switchyard::testing {

using worker::FileDtype;
using worker::PosixFile;

namespace {

PosixFile OpenOrDie(const std::string& path) {
  absl::StatusOr<PosixFile> file = PosixFile::OpenForRead(path);
  SY_CHECK(file.ok()) << file.status().ToString();
  return *std::move(file);
}

// log(sum(exp(logits)))
double LogSum(std::span<const float> logits) {
  const double top = *std::ranges::max_element(logits);
  double sum = 0;
  for (float logit : logits) sum += std::exp(logit - top);
  return top + std::log(sum);
}

}  // namespace

GoldenFile::GoldenFile(const std::string& path) : file_(OpenOrDie(path)) {
  const auto header = worker::ReadSafetensorsHeader(file_);
  SY_CHECK(header.ok()) << header.status().ToString();
  for (const worker::TensorInfo& tensor : header->tensors) tensors_[tensor.name] = tensor;
}

GoldenTensor GoldenFile::Get(const std::string& name) const {
  const auto found = tensors_.find(name);
  SY_CHECK(found != tensors_.end()) << file_.path() << " has no " << name;
  const worker::TensorInfo& info = found->second;
  GoldenTensor tensor{.shape = info.shape};
  std::span<std::byte> bytes;
  if (info.dtype == FileDtype::kF32) {
    tensor.floats.resize(info.num_bytes / sizeof(float));
    bytes = std::as_writable_bytes(std::span(tensor.floats));
  } else {
    SY_CHECK(info.dtype == FileDtype::kI32) << name;
    tensor.ints.resize(info.num_bytes / sizeof(int32_t));
    bytes = std::as_writable_bytes(std::span(tensor.ints));
  }
  const absl::Status status = file_.ReadAt(info.offset, bytes);
  SY_CHECK(status.ok()) << status.ToString();
  return tensor;
}

std::vector<std::string> GoldenFile::NamesFrom(const std::string& prefix) const {
  std::vector<std::string> names;
  for (const auto& [name, info] : tensors_) {
    if (name.starts_with(prefix)) names.push_back(name);
  }
  return names;
}

std::vector<GoldenCase> ReadGoldenCases(const std::string& model_folder) {
  const std::string path = model_folder + "/goldens/prompts.jsonl";
  std::ifstream file(path);
  std::vector<GoldenCase> cases;
  for (std::string line; std::getline(file, line);) {
    const Json json = Json::parse(line);
    GoldenCase& recorded =
        cases.emplace_back(GoldenCase{.id = json.value("id", std::to_string(cases.size())),
                                      .prompt_tokens = json["prompt_tokens"],
                                      .greedy_tokens = json["greedy_tokens"],
                                      .min_margin = json.value("min_margin", 0.0)});
    if (!json.contains("mtp_drafts")) continue;
    recorded.mtp_drafts = json["mtp_drafts"];
    recorded.mtp_margins = json["mtp_margins"];
  }
  SY_CHECK(!cases.empty()) << path;
  return cases;
}

LogitError CompareLogits(std::span<const float> got, std::span<const float> want) {
  SY_CHECK_EQ(got.size(), want.size());
  const double got_sum = LogSum(got), want_sum = LogSum(want);
  LogitError error;
  double dot = 0, got_square = 0, want_square = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double a = got[i], b = want[i];
    // Not std::max: a NaN must show as an error.
    if (!(std::abs(a - b) <= error.max_abs)) error.max_abs = std::abs(a - b);
    dot += a * b;
    got_square += a * a;
    want_square += b * b;
    error.kl += std::exp(b - want_sum) * ((b - want_sum) - (a - got_sum));
  }
  error.cosine_distance = 1 - dot / std::sqrt(got_square * want_square);
  return error;
}

double Quantile(std::vector<double> values, double share) {
  SY_CHECK(!values.empty());
  const auto index = static_cast<int64_t>(std::ceil(share * double(values.size()))) - 1;
  const auto place = values.begin() + std::max<int64_t>(index, 0);
  std::ranges::nth_element(values, place);
  return *place;
}

}  // namespace switchyard::testing
