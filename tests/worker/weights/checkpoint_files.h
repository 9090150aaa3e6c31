// Folders and checkpoint files that tests make for themselves.
#ifndef SWITCHYARD_TESTS_WORKER_WEIGHTS_CHECKPOINT_FILES_H_
#define SWITCHYARD_TESTS_WORKER_WEIGHTS_CHECKPOINT_FILES_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "worker/weights/checkpoint.h"
#include "worker/weights/safetensors.h"
#include "worker/weights/shard_reader.h"

namespace switchyard::worker {

inline std::string BundledModel(std::string_view name) {
  return std::string(SWITCHYARD_SOURCE_DIR "/models/").append(name);
}
inline const std::string kTinyR1 = BundledModel("tiny-r1");

// An empty folder that goes with the object.
class TempFolder {
 public:
  TempFolder() {
    std::string pattern = std::filesystem::temp_directory_path() / "switchyard-test-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  std::string path() const { return path_; }
  std::string operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

inline void WriteText(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

// Has the system forget what it has of a file.
inline void DropFromCache(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY);
  ASSERT_EQ(fsync(fd), 0);  // pages that were not written yet would stay
  ASSERT_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
  close(fd);
}

// The format's length field and a header.
inline std::string WithLength(std::string_view header) {
  const uint64_t length = header.size();
  std::string bytes(sizeof(length), '\0');
  std::memcpy(bytes.data(), &length, sizeof(length));
  return bytes.append(header);
}

struct TestTensor {
  TensorSpec spec;
  std::string bytes;
};

// A tensor whose bytes count up from `first`.
inline TestTensor CountingTensor(std::string name, FileDtype dtype, TensorShape shape,
                                 int first = 0) {
  TestTensor tensor{{std::move(name), dtype, std::move(shape)}, ""};
  tensor.bytes.resize(NumBytes(tensor.spec));
  for (char& byte : tensor.bytes) byte = char(first++);
  return tensor;
}

template <typename T>
TestTensor TensorOf(std::string name, FileDtype dtype, TensorShape shape,
                    const std::vector<T>& values) {
  TestTensor tensor{{std::move(name), dtype, std::move(shape)}, ""};
  tensor.bytes.assign(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  return tensor;
}

inline void WriteTensors(const std::string& path, const std::vector<TestTensor>& tensors) {
  std::vector<TensorSpec> specs;
  for (const TestTensor& tensor : tensors) specs.push_back(tensor.spec);
  auto writer = SafetensorsWriter::Create(path, specs);
  ASSERT_TRUE(writer.ok()) << writer.status();
  for (size_t i = 0; i < tensors.size(); ++i) {
    ASSERT_TRUE(writer->Write(i, 0, std::as_bytes(std::span(tensors[i].bytes))).ok());
  }
  ASSERT_TRUE(writer->Finish().ok());
}

// All bytes of one tensor, or "" and a test failure.
inline std::string TensorBytes(const Checkpoint& checkpoint, std::string_view name) {
  const TensorInfo* tensor = checkpoint.Find(name);
  EXPECT_NE(tensor, nullptr) << name;
  if (tensor == nullptr) return "";
  ReadBatch batch{.ranges = {{TensorRange::Whole(*tensor)}}, .plan = {}, .memory = nullptr};
  const absl::Status status = ShardReader(&checkpoint).Read(batch);
  EXPECT_TRUE(status.ok()) << name << ": " << status;
  if (!status.ok()) return "";
  return std::string(reinterpret_cast<const char*>(batch.data(0)), size_t(tensor->num_bytes));
}

}  // namespace switchyard::worker

#endif  // SWITCHYARD_TESTS_WORKER_WEIGHTS_CHECKPOINT_FILES_H_
