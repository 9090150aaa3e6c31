#include "coordinator/gateway/key_file.h"

#include <openssl/sha.h>
#include <sys/stat.h>

#include <chrono>
#include <utility>

#include "base/file.h"

namespace switchyard::gateway {
namespace {

constexpr std::chrono::seconds kPollInterval(1);

// Of the content rather than of size and time, which two quick writes can share.
std::string DigestOf(std::string_view text) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

}  // namespace

absl::StatusOr<std::unique_ptr<KeyFile>> KeyFile::Open(std::string path, Log log) {
  std::unique_ptr<KeyFile> file(new KeyFile(std::move(path), std::move(log)));
  SY_ASSIGN_OR_RETURN(const std::string text, ReadFile(file->path_, kMaxBytes));
  file->seen_ = DigestOf(text);
  SY_RETURN_IF_ERROR(file->Load(text));
  return file;
}

KeyFile::~KeyFile() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  ends_.notify_all();
  if (watcher_.joinable()) watcher_.join();
}

void KeyFile::Watch() {
  watcher_ = std::thread([this] {
    std::unique_lock lock(mutex_);
    while (!ends_.wait_for(lock, kPollInterval, [this] { return ending_; })) {
      lock.unlock();
      Reload();
      lock.lock();
    }
  });
}

void KeyFile::Reload() {
  std::lock_guard lock(reload_mutex_);
  const absl::StatusOr<std::string> text = ReadFile(path_, kMaxBytes);
  const std::string now = text.ok() ? DigestOf(*text) : std::string(Message(text.status()));
  if (now == std::exchange(seen_, now)) return;
  const absl::Status status = text.ok() ? Load(*text) : text.status();
  if (status.ok()) {
    log_(fmt::format("{}: {} API keys are in force now", path_, keys()->size()));
  } else {
    log_(fmt::format("the API keys stay as they were: {}", Message(status)));
  }
}

absl::Status KeyFile::Load(std::string_view text) {
  absl::StatusOr<ApiKeys> keys = ApiKeys::Parse(text);
  if (!keys.ok()) {
    return absl::InvalidArgumentError(
        fmt::format("{} holds no API keys: {}", path_, Message(keys.status())));
  }
  WarnOfReaders();
  std::lock_guard lock(mutex_);
  keys_ = std::make_shared<const ApiKeys>(*std::move(keys));
  return absl::OkStatus();
}

void KeyFile::WarnOfReaders() const {
  struct stat info {};
  if (stat(path_.c_str(), &info) != 0 || (info.st_mode & (S_IRGRP | S_IROTH)) == 0) return;
  log_(fmt::format("{} can be read by others than its owner: chmod 600 it", path_));
}

std::shared_ptr<const ApiKeys> KeyFile::keys() const {
  std::lock_guard lock(mutex_);
  return keys_;
}

}  // namespace switchyard::gateway
