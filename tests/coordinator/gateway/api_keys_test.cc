// The file of API keys: what it may say, and how it is read again.
#include "coordinator/gateway/api_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <mutex>
#include <string>
#include <vector>

#include "base/file.h"
#include "coordinator/gateway/key_file.h"

namespace switchyard::gateway {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kAlice[] = "sk-alice-0123456789abcdef";
constexpr char kBob[] = "sk-bob-0123456789abcdef";
// printf %s sk-bob-0123456789abcdef | sha256sum
constexpr char kBobDigest[] = "fb358364d67bf422d27e1fb8d84354119bcf3d6f5b4faddc9cbe369e86201d69";

std::string Entry(std::string_view key, std::string_view more = R"(,"tenant":"t")") {
  return fmt::format(R"({{"key":"{}"{}}})", key, more);
}
std::string List(std::string_view entries) { return fmt::format(R"({{"keys":[{}]}})", entries); }

TEST(ApiKeys, KnowTheirTenantsAndWeights) {
  const auto keys =
      ApiKeys::Parse(List(Entry(kAlice, R"(,"tenant":"a","weight":2.5)") + "," +
                          fmt::format(R"({{"sha256":"{}","tenant":"b"}})", kBobDigest)));
  ASSERT_TRUE(keys.ok()) << keys.status();
  ASSERT_NE(keys->TenantOf(kAlice), nullptr);
  EXPECT_EQ(*keys->TenantOf(kAlice), "a");
  ASSERT_NE(keys->TenantOf(kBob), nullptr) << "known by its digest";
  EXPECT_EQ(*keys->TenantOf(kBob), "b");
  EXPECT_EQ(keys->WeightOf("a"), 2.5);
  EXPECT_EQ(keys->WeightOf("b"), 1);
  EXPECT_EQ(keys->WeightOf("unheard"), 1);
  for (const char* wrong :
       {"", "sk-alice-0123456789abcde", "sk-alice-0123456789abcdef ", kBobDigest}) {
    EXPECT_EQ(keys->TenantOf(wrong), nullptr) << wrong;
  }
}

TEST(ApiKeys, WhatIsWrongIsNamedByItsPlaceAndNeverQuoted) {
  const std::string secret = "sk-secret-0123456789abcdef";
  const std::string good = Entry(secret);
  const std::pair<std::string, const char*> cases[] = {
      {R"({"keys":[{"key":")" + secret, "malformed JSON"},
      {R"({"keys":[)" + secret + "]}", "malformed JSON"},
      {R"({")" + secret + R"(":1,")" + secret + R"(":2})", "malformed JSON"},
      {R"([")" + secret + R"("])", "'keys'"},
      {R"({"keys":{}})", "'keys'"},
      {R"({"keys":[],"other":1})", "'keys'"},
      {List(""), "1 to 4096 entries"},
      {List(good + R"(,")" + secret + R"(")"), "keys[1]: it must be an object"},
      {List(good + "," + good), "keys[1]: its key is that of an entry before it"},
      {List(R"({"tenant":"t"})"), "keys[0]: it must have 'key' or 'sha256'"},
      {List(Entry(secret, R"(,"tenant":"t","sha256":"00")")), "'key' or 'sha256'"},
      {List(Entry("sk-short")), "16 to 512"},
      {List(Entry(secret + " " + secret)), "visible"},
      {List(R"({"key":1234567890123456,"tenant":"t"})"), "'key' must be a string"},
      {List(R"({"sha256":"abc","tenant":"t"})"), "64 hex digits"},
      {List(fmt::format(R"({{"sha256":"{:z>64}","tenant":"t"}})", "")), "64 hex digits"},
      {List(Entry(secret, "")), "'tenant' must have 1 to 128"},
      {List(Entry(secret, R"(,"tenant":"two words")")), "'tenant'"},
      {List(Entry(secret, R"(,"tenant":"t","weight":0)")), "'weight' must be from"},
      {List(Entry(secret, R"(,"tenant":"t","weight":"2")")), "'weight' must be a number"},
      {List(Entry(secret, R"(,"tenant":"t","wieght":2)")), "only"},
      {List(good + "," + Entry(kBob, R"(,"tenant":"t","weight":2)")), "another weight"},
  };
  for (const auto& [text, message] : cases) {
    const auto keys = ApiKeys::Parse(text);
    ASSERT_FALSE(keys.ok()) << text;
    EXPECT_THAT(std::string(Message(keys.status())),
                AllOf(HasSubstr(message), Not(HasSubstr("sk-"))))
        << text;
  }
}

class KeyFileTest : public ::testing::Test {
 protected:
  KeyFileTest() {
    char folder[] = "/tmp/sy_keys_XXXXXX";
    folder_ = mkdtemp(folder);
    path_ = folder_ + "/keys.json";
  }
  ~KeyFileTest() override {
    std::remove(path_.c_str());
    rmdir(folder_.c_str());
  }

  void Write(std::string_view text, mode_t mode = 0600) {
    ASSERT_TRUE(WriteFile(path_, text).ok());
    ASSERT_EQ(chmod(path_.c_str(), mode), 0);
  }
  absl::StatusOr<std::unique_ptr<KeyFile>> Open() {
    return KeyFile::Open(path_, [this](const std::string& line) { log_.push_back(line); });
  }

  std::string folder_, path_;
  std::vector<std::string> log_;
};

TEST_F(KeyFileTest, TakesOverWhatChanges) {
  Write(List(Entry(kAlice)));
  const auto file = Open();
  ASSERT_TRUE(file.ok()) << file.status();
  (*file)->Reload();
  EXPECT_THAT(log_, IsEmpty()) << "nothing has changed";
  const std::shared_ptr<const ApiKeys> before = (*file)->keys();

  Write(List(Entry(kBob)));
  (*file)->Reload();
  EXPECT_EQ((*file)->keys()->TenantOf(kAlice), nullptr);
  EXPECT_NE((*file)->keys()->TenantOf(kBob), nullptr);
  EXPECT_NE(before->TenantOf(kAlice), nullptr) << "who holds the old ones keeps them";
  EXPECT_THAT(log_, ElementsAre(HasSubstr("1 API keys are in force")));
}

TEST_F(KeyFileTest, ABrokenFileLeavesTheKeysAndSaysSoOnce) {
  Write(List(Entry(kAlice)));
  const auto file = Open();
  ASSERT_TRUE(file.ok()) << file.status();
  const auto reload_twice = [&] {
    log_.clear();
    (*file)->Reload();
    (*file)->Reload();
    EXPECT_NE((*file)->keys()->TenantOf(kAlice), nullptr);
    return log_;
  };
  Write(R"({"keys":[{"key":")" + std::string(kBob));
  EXPECT_THAT(reload_twice(), ElementsAre(AllOf(HasSubstr("stay as they were"), HasSubstr(path_),
                                                Not(HasSubstr("sk-")))));
  Write(std::string(KeyFile::kMaxBytes + 1, ' '));
  EXPECT_THAT(reload_twice(), ElementsAre(HasSubstr("stay as they were")));
  std::remove(path_.c_str());
  EXPECT_THAT(reload_twice(), ElementsAre(HasSubstr("stay as they were")));
  Write(List(Entry(kAlice)));
  EXPECT_THAT(reload_twice(), ElementsAre(HasSubstr("in force")));
}

TEST_F(KeyFileTest, IsWantedAtTheStart) {
  EXPECT_EQ(Open().status().code(), absl::StatusCode::kNotFound);
  Write("{");
  const absl::Status status = Open().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Message(status)), HasSubstr(path_));
}

TEST_F(KeyFileTest, WarnsOfReaders) {
  Write(List(Entry(kAlice)), 0640);
  ASSERT_TRUE(Open().ok());
  EXPECT_THAT(log_, ElementsAre(HasSubstr("chmod 600")));
  log_.clear();
  Write(List(Entry(kAlice)), 0600);
  ASSERT_TRUE(Open().ok());
  EXPECT_THAT(log_, IsEmpty());
}

}  // namespace
}  // namespace switchyard::gateway
