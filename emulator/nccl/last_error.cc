#include "emulator/nccl/last_error.h"

#include <mutex>

namespace emu {
namespace {

std::mutex mutex;
std::string& Latest() {
  static auto* latest = new std::string;  // by mutex; programs may ask while they exit
  return *latest;
}

}  // namespace

ncclResult_t Return(const Outcome& outcome) {
  if (!outcome.text.empty()) {
    const std::lock_guard lock(mutex);
    Latest() = outcome.text;
  }
  return outcome.code;
}

const char* LastError() {
  std::string text;
  {
    const std::lock_guard lock(mutex);
    text = Latest();
  }
  return ShowError(text);
}

const char* ShowError(const std::string& text) {
  static thread_local std::string shown;
  shown = text;
  return shown.c_str();
}

}  // namespace emu
