// `switchyard manifest` on the bundled model.
#include "cli/manifest_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/worker/weights/checkpoint_files.h"
#include "worker/weights/manifest.h"

namespace switchyard::cli {
namespace {

using ::testing::HasSubstr;

TEST(ManifestCommand, WritesDigestsAndNamesWhatIsDamagedLater) {
  worker::TempFolder folder;
  std::filesystem::copy(worker::kTinyR1, folder.path());  // its files
  const absl::Status missing = RunManifest({.model_folder = folder.path(), .check = true});
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(Message(missing)), HasSubstr("there is no manifest"));
  const absl::Status written = RunManifest({.model_folder = folder.path()});
  ASSERT_TRUE(written.ok()) << written;
  EXPECT_TRUE(std::filesystem::exists(folder / worker::kManifestFileName));
  EXPECT_TRUE(RunManifest({.model_folder = folder.path(), .check = true}).ok());

  const auto checkpoint = worker::Checkpoint::Open(folder.path());
  ASSERT_TRUE(checkpoint.ok());
  const worker::TensorInfo& hit = checkpoint->tensors()[checkpoint->tensors().size() / 2];
  const std::string file = checkpoint->files()[size_t(hit.file)];
  std::fstream bytes(file, std::ios::binary | std::ios::in | std::ios::out);
  bytes.seekg(hit.offset + hit.num_bytes - 1);
  const char damaged = char(bytes.get() ^ 0x10);
  bytes.seekp(hit.offset + hit.num_bytes - 1);
  bytes.put(damaged);
  bytes.close();
  const absl::Status status = RunManifest({.model_folder = folder.path(), .check = true});
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_THAT(std::string(Message(status)), HasSubstr(file + ": tensor " + hit.name + ", rows "));
}

}  // namespace
}  // namespace switchyard::cli
