// What the coordinator reads of a checkpoint folder must fit together.
#include "coordinator/checkpoint_info.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "base/json.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class CheckpointInfoTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder = fs::temp_directory_path() / "switchyard-info-XXXXXX";
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    for (const char* name :
         {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"}) {
      fs::copy_file(fs::path(SWITCHYARD_SOURCE_DIR "/models/tiny-r1") / name, folder_ / name);
    }
  }
  void TearDown() override { fs::remove_all(folder_); }

  void Set(const std::string& file, const std::string& field, const Json& value) {
    Json json = *ParseJson(*ReadFile(folder_ / file, 1 << 20));
    json[field] = value;
    ASSERT_TRUE(WriteFile(folder_ / file, json.dump()).ok());
  }
  absl::Status Read() { return ReadCheckpointInfo(folder_).status(); }

  fs::path folder_;
};

TEST_F(CheckpointInfoTest, TheBundledModelFits) { EXPECT_TRUE(Read().ok()) << Read(); }

TEST_F(CheckpointInfoTest, AnEndOfSequenceBeyondTheVocabularyIsRefused) {
  Set("generation_config.json", "eos_token_id", {1, 4096});
  EXPECT_EQ(Read().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Message(Read())), HasSubstr("eos_token_id 4096"));
}

TEST_F(CheckpointInfoTest, ATokenizerBeyondTheVocabularyIsRefused) {
  Set("config.json", "vocab_size", 4095);
  EXPECT_EQ(Read().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Message(Read())), HasSubstr("tokenizer.json: has ids up to 4095"));
}

}  // namespace
}  // namespace switchyard
