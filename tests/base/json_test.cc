#include "base/json.h"

#include <gtest/gtest.h>

#include <string>

namespace switchyard {
namespace {

TEST(ParseJson, KeepsValuesAndOrder) {
  auto json = ParseJson(R"({"b": [1, -2, 2.5, "x", null, true], "a": {"c": {}}})");
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ(json->dump(), R"({"b":[1,-2,2.5,"x",null,true],"a":{"c":{}}})");
}

TEST(ParseJson, RefusesDepthBeforeItCosts) {
  const std::string deep = std::string(1000, '[') + std::string(1000, ']');
  auto json = ParseJson(deep);
  ASSERT_FALSE(json.ok());
  EXPECT_EQ(json.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(json.status().message().find("nested deeper than 128"), std::string::npos);
  EXPECT_TRUE(ParseJson(std::string(128, '[') + std::string(128, ']')).ok());
}

TEST(ParseJson, RefusesWhatIsNotOneValue) {
  for (const char* text :
       {"", "{", "{\"a\":1} x", "{\"a\":1,\"a\":2}", "nul", "\"\xff\"", "[1,]"}) {
    EXPECT_FALSE(ParseJson(text).ok()) << text;
  }
}

TEST(ParseJson, QuotesLittleOfALongText) {
  for (const std::string& text :
       {"{\"" + std::string(1 << 20, 'a'),
        "{\"" + std::string(5000, 'a') + "\": 1, \"" + std::string(5000, 'a') + "\": 2}"}) {
    const auto json = ParseJson(text);
    ASSERT_FALSE(json.ok());
    EXPECT_LT(json.status().message().size(), 300u) << json.status();
  }
}

}  // namespace
}  // namespace switchyard
