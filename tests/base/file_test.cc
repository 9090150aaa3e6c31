#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

namespace switchyard {
namespace {

namespace fs = std::filesystem;

class FileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder = fs::temp_directory_path() / "switchyard-file-XXXXXX";
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

  fs::path folder_;
};

TEST_F(FileTest, WhatIsWrittenIsRead) {
  const std::string path = folder_ / "file";
  const std::string bytes("one\0two\n\xff", 9);
  ASSERT_TRUE(WriteFile(path, bytes).ok());
  EXPECT_EQ(ReadFile(path, 9).value(), bytes);
  ASSERT_TRUE(WriteFile(path, "").ok());  // replaces
  EXPECT_EQ(ReadFile(path, 9).value(), "");
  EXPECT_EQ(Names(), std::vector<std::string>{"file"});
}

TEST_F(FileTest, ReadingSaysWhatIsWrongAndWhere) {
  const std::string path = folder_ / "file";
  const absl::Status missing = ReadFile(path, 9).status();
  EXPECT_TRUE(absl::IsNotFound(missing));
  EXPECT_NE(Message(missing).find(path), std::string_view::npos) << missing;

  ASSERT_TRUE(WriteFile(path, "0123456789").ok());
  const absl::Status large = ReadFile(path, 9).status();
  EXPECT_TRUE(absl::IsInvalidArgument(large));
  EXPECT_NE(Message(large).find(path), std::string_view::npos) << large;

  EXPECT_TRUE(absl::IsInvalidArgument(ReadFile(folder_, 9).status()));
  EXPECT_TRUE(absl::IsNotFound(ReadFile(path + "/below", 9).status())) << "a file is no folder";
}

TEST_F(FileTest, APipeIsRefusedAndNotWaitedFor) {
  const std::string path = folder_ / "pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_TRUE(absl::IsInvalidArgument(ReadFile(path, 9).status()));
}

TEST_F(FileTest, WhatIsNoFileIsNotReplaced) {
  const std::string path = folder_ / "pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_TRUE(absl::IsInvalidArgument(WriteFile(path, "bytes")));
  EXPECT_TRUE(fs::is_fifo(path));
  fs::create_symlink(path, folder_ / "link");
  EXPECT_TRUE(absl::IsInvalidArgument(WriteFile(folder_ / "link", "bytes")));
  EXPECT_EQ(Names().size(), 2u);
}

TEST_F(FileTest, FailedWriteLeavesTheTargetAndNoPartialFile) {
  const fs::path target = folder_ / "target";
  fs::create_directory(target);  // a file cannot take the place of a folder
  EXPECT_FALSE(WriteFile(target, "bytes").ok());
  EXPECT_TRUE(fs::is_directory(target));
  EXPECT_EQ(Names(), std::vector<std::string>{"target"});
  EXPECT_TRUE(absl::IsNotFound(WriteFile(folder_ / "no" / "folder", "bytes")));
}

}  // namespace
}  // namespace switchyard
