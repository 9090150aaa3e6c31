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

std::vector<testing::LogitError> LastErrors(const Tensors& got, const std::string& reference,
                                            const std::vector<Json>& prompts) {
  static const Tensors goldens = ReadTensors(std::string(kModel) + "/goldens/logits.safetensors");
  const std::vector<float> last = Values<float>(goldens.at(reference + "/last"));
  const size_t vocab = last.size() / ReadPrompts().size();
  std::vector<testing::LogitError> errors;
  for (const Json& prompt : prompts) {
    const size_t row = prompt["row"].get<size_t>();
    const std::vector<float> logits =
        Values<float>(got.at("logits." + prompt["id"].get<std::string>()));
    errors.push_back(testing::CompareLogits(std::span(logits).last(vocab),
                                            std::span(last).subspan(row * vocab, vocab)));
  }
  return errors;
}

std::vector<double> Largest(const std::vector<testing::LogitError>& errors) {
  std::vector<double> largest;
  for (const testing::LogitError& error : errors) largest.push_back(error.max_abs);
  std::sort(largest.begin(), largest.end());
  return largest;
}

void ExpectWithin(const LogitTolerance& tolerance, const std::vector<testing::LogitError>& errors) {
  const std::vector<double> largest = Largest(errors);
  EXPECT_LT(largest.back(), tolerance.largest);
  EXPECT_LT(largest[largest.size() * 9 / 10], tolerance.of_90_percent);
  EXPECT_LT(largest[largest.size() / 2], tolerance.of_half);
  for (const testing::LogitError& error : errors) {
    EXPECT_LT(error.cosine_distance, tolerance.cosine_distance);
    EXPECT_LT(error.kl, tolerance.kl);
  }
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
