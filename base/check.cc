#include "base/check.h"

#include <absl/debugging/stacktrace.h>
#include <absl/debugging/symbolize.h>

#include <cstdio>
#include <cstdlib>

namespace switchyard {

CheckFailure::CheckFailure(const char* file, int line, const char* condition) {
  message_ << file << ':' << line << ": check failed: " << condition << ' ';
}

CheckFailure::~CheckFailure() {
  std::fprintf(stderr, "%s\n", message_.str().c_str());
  void* frames[32];
  const int num_frames = absl::GetStackTrace(frames, 32, 1);
  for (int i = 0; i < num_frames; ++i) {
    char symbol[512];
    const bool known = absl::Symbolize(frames[i], symbol, sizeof(symbol));
    std::fprintf(stderr, "    @ %p  %s\n", frames[i], known ? symbol : "(unknown)");
  }
  std::fflush(stderr);
  std::abort();
}

}  // namespace switchyard
