// What the tests of the runtime's calls share: a check that names the error, and work that can be
// held and watched. The calls are those of emu_cudart_parts, linked into the test.
#ifndef SWITCHYARD_TESTS_EMULATOR_CUDART_CUDA_TEST_H_
#define SWITCHYARD_TESTS_EMULATOR_CUDART_CUDA_TEST_H_

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/emulator/cudart/gate.h"

#define EXPECT_CUDA(expected, call) EXPECT_STREQ(cudaGetErrorName(expected), cudaGetErrorName(call))
#define ASSERT_CUDA(call) ASSERT_STREQ("cudaSuccess", cudaGetErrorName(call))

namespace emu {

// Names in the order in which host functions ran. Thread: any.
class Journal {
 public:
  struct Line {
    Journal* journal;
    std::string name;
  };

  // A host function in `stream` that writes `name`.
  void Queue(cudaStream_t stream, const std::string& name) {
    auto* line = new Line{this, name};
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      lines_.emplace_back(line);
    }
    ASSERT_CUDA(cudaLaunchHostFunc(
        stream,
        [](void* untyped) {
          auto* one = static_cast<Line*>(untyped);
          one->journal->Write(one->name);
        },
        line));
  }
  void Write(const std::string& name) {
    const std::lock_guard<std::mutex> lock(mutex_);
    names_ += name;
  }
  std::string names() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return names_;
  }

 private:
  std::mutex mutex_;
  std::string names_;
  std::vector<std::unique_ptr<Line>> lines_;
};

}  // namespace emu

#endif  // SWITCHYARD_TESTS_EMULATOR_CUDART_CUDA_TEST_H_
