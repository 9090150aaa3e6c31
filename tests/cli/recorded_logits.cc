#include "tests/cli/recorded_logits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/file.h"
#include "base/units.h"
#include "worker/weights/posix_file.h"
#include "worker/weights/safetensors.h"

namespace switchyard::cli {
namespace {

template <typename T>
std::vector<T> Values(const std::vector<std::byte>& bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

}  // namespace

Tensors ReadTensors(const std::string& path) {
  const auto file = worker::PosixFile::OpenForRead(path);
  EXPECT_TRUE(file.ok()) << file.status();
  const auto header = worker::ReadSafetensorsHeader(*file);
  EXPECT_TRUE(header.ok()) << header.status();
  Tensors tensors;
  for (const worker::TensorInfo& tensor : header->tensors) {
    std::vector<std::byte> bytes(tensor.num_bytes);
    EXPECT_TRUE(file->ReadAt(tensor.offset, std::span(bytes)).ok()) << tensor.name;
    tensors.emplace(tensor.name, std::move(bytes));
  }
  return tensors;
}

std::vector<Json> ReadPrompts() {
  const std::string text = *ReadFile(kPrompts, 16 * kMiB);
  std::vector<Json> prompts;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    if (end > begin) {
      prompts.push_back(*ParseJson(std::string_view(text).substr(begin, end - begin)));
      prompts.back()["row"] = prompts.size() - 1;
    }
    begin = end + 1;
  }
  return prompts;
}

std::vector<double> LastErrors(const Tensors& got, const std::string& reference,
                               const std::vector<Json>& prompts) {
  static const Tensors goldens = ReadTensors(std::string(kModel) + "/goldens/logits.safetensors");
  const std::vector<float> last = Values<float>(goldens.at(reference + "/last"));
  const size_t vocab = last.size() / ReadPrompts().size();
  std::vector<double> errors;
  for (const Json& prompt : prompts) {
    const size_t row = prompt["row"].get<size_t>();
    const std::vector<float> logits =
        Values<float>(got.at("logits." + prompt["id"].get<std::string>()));
    double largest = 0;
    for (size_t token = 0; token < vocab; ++token) {
      largest = std::max<double>(
          largest, std::abs(logits[logits.size() - vocab + token] - last[row * vocab + token]));
    }
    errors.push_back(largest);
  }
  std::sort(errors.begin(), errors.end());
  return errors;
}

int WrongAnswers(const Tensors& got, const std::vector<Json>& prompts) {
  int wrong = 0;
  for (const Json& prompt : prompts) {
    auto tokens = Values<int32_t>(got.at("tokens." + prompt["id"].get<std::string>()));
    auto expected = prompt["greedy_tokens"].get<std::vector<int32_t>>();
    const size_t count = std::min(tokens.size(), expected.size());
    tokens.resize(count);
    expected.resize(count);
    wrong += tokens != expected;
  }
  return wrong;
}

}  // namespace switchyard::cli
