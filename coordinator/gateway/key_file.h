// The file of API keys, read again when it changes.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_KEY_FILE_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_KEY_FILE_H_

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/status.h"
#include "coordinator/gateway/api_keys.h"

namespace switchyard::gateway {

// Thread-safe.
class KeyFile {
 public:
  static constexpr int64_t kMaxBytes = 1 << 20;
  // Takes one line at a time, from Open and from the watching thread; no line holds a secret.
  using Log = std::function<void(const std::string& line)>;

  // Reads the file; warns of one that others than its owner can read. Errors name the file.
  static absl::StatusOr<std::unique_ptr<KeyFile>> Open(std::string path, Log log);
  // Stops watching.
  ~KeyFile();

  // Looks at the file once a second from now on, on a thread of its own. Once.
  void Watch();
  // Takes over what the file holds now if it has changed. A file that is missing or wrong leaves
  // the keys as they are; the log gets one line for each such change.
  void Reload();

  std::shared_ptr<const ApiKeys> keys() const;

 private:
  KeyFile(std::string path, Log log) : path_(std::move(path)), log_(std::move(log)) {}

  absl::Status Load(std::string_view text);
  void WarnOfReaders() const;

  const std::string path_;
  const Log log_;
  std::mutex reload_mutex_;  // one Reload at a time
  std::string seen_;         // guarded by reload_mutex_: SHA-256 of the text, or an error's message

  mutable std::mutex mutex_;
  std::shared_ptr<const ApiKeys> keys_;  // guarded by mutex_
  bool ending_ = false;                  // guarded by mutex_
  std::condition_variable ends_;
  std::thread watcher_;
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_KEY_FILE_H_
