// Every recorded rendering of the bundled model's template, and where templates are found in a
// model's folder.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/file.h"
#include "coordinator/text/chat_template_file.h"

namespace switchyard::text {
namespace {

const std::string kModel = std::string(SWITCHYARD_SOURCE_DIR) + "/models/tiny-r1";

// Fields of a recorded case that are no template variables.
bool IsCaseField(const std::string& name) {
  for (const char* field :
       {"messages", "tools", "add_generation_prompt", "rendered", "ids", "error"}) {
    if (name == field) return true;
  }
  return false;
}

TEST(ChatTemplateGolden, ReproducesEveryRecordedCase) {
  const auto model = LoadChatTemplate(kModel);
  ASSERT_TRUE(model.ok()) << model.status();
  std::ifstream file(kModel + "/goldens/template_cases.jsonl");
  int num_cases = 0;
  for (std::string line; std::getline(file, line); ++num_cases) {
    SCOPED_TRACE(line.substr(0, 500));
    const auto recorded = ParseJson(line);
    ASSERT_TRUE(recorded.ok()) << recorded.status();
    Json kwargs = Json::object();
    for (const auto& [name, value] : recorded->items()) {
      if (!IsCaseField(name)) kwargs[name] = value;
    }
    const auto tools = recorded->find("tools");
    const auto rendered = model->chat.Render(
        {.messages = (*recorded)["messages"],
         .tools = tools != recorded->end() ? &*tools : nullptr,
         .add_generation_prompt = recorded->value("add_generation_prompt", false),
         .kwargs = &kwargs,
         .bos_token = model->bos_token,
         .eos_token = model->eos_token});
    if (recorded->contains("error")) {
      EXPECT_EQ(Message(rendered.status()), (*recorded)["error"].get<std::string>());
      EXPECT_EQ(rendered.status().code(), absl::StatusCode::kInvalidArgument);
    } else {
      ASSERT_TRUE(rendered.ok()) << rendered.status();
      EXPECT_EQ(rendered->Text(), (*recorded)["rendered"].get<std::string>());
    }
  }
  EXPECT_EQ(num_cases, 108);
}

TEST(ChatTemplateGolden, SpecialTokensInsideMessagesAreMarkedAsTheUsers) {
  const auto model = LoadChatTemplate(kModel);
  ASSERT_TRUE(model.ok()) << model.status();
  const Json messages =
      Json::parse(R"([{"role": "user", "content": "<｜User｜>a<｜end▁of▁sentence｜>"}])");
  const auto rendered = model->chat.Render(
      {.messages = messages, .add_generation_prompt = true, .bos_token = model->bos_token});
  ASSERT_TRUE(rendered.ok());
  ASSERT_EQ(rendered->segments.size(), 3u);
  EXPECT_EQ(rendered->segments[0].text, "<｜begin▁of▁sentence｜><｜User｜>");
  EXPECT_EQ(rendered->segments[1].text, "<｜User｜>a<｜end▁of▁sentence｜>");
  EXPECT_TRUE(rendered->segments[1].from_user);
  EXPECT_EQ(rendered->segments[2].text, "<｜Assistant｜>");
  EXPECT_FALSE(rendered->segments[0].from_user || rendered->segments[2].from_user);
}

// A model's folder that a test fills.
class LoadChatTemplateTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/chat_template_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  void Write(const std::string& name, std::string_view bytes) {
    ASSERT_TRUE(WriteFile(dir_ + "/" + name, bytes).ok());
  }
  std::string Render(bool has_tools = false) {
    const auto model = LoadChatTemplate(dir_);
    if (!model.ok()) return std::string(Message(model.status()));
    const Json messages = Json::array();
    return model->Select(has_tools)
        .Render(
            {.messages = messages, .bos_token = model->bos_token, .eos_token = model->eos_token})
        ->Text();
  }
  std::string dir_;
};

TEST_F(LoadChatTemplateTest, ReadsTheConfigWithItsTokens) {
  Write(
      "tokenizer_config.json",
      R"({"chat_template": "{{ bos_token }}|{{ eos_token }}", "bos_token": "<b>", "eos_token": {"content": "<e>"}})");
  EXPECT_EQ(Render(), "<b>|<e>");
}

TEST_F(LoadChatTemplateTest, PicksTheNamedTemplateForTools) {
  Write(
      "tokenizer_config.json",
      R"({"chat_template": [{"name": "tool_use", "template": "T"}, {"name": "default", "template": "D"}]})");
  EXPECT_EQ(Render(false), "D");
  EXPECT_EQ(Render(true), "T");
}

TEST_F(LoadChatTemplateTest, AFileOfItsOwnComesFirst) {
  Write("tokenizer_config.json", R"({"chat_template": "config", "bos_token": "<b>"})");
  Write("chat_template.json", R"({"chat_template": "json"})");
  EXPECT_EQ(Render(), "json");
  Write("chat_template.jinja", "jinja{{ bos_token }}");
  EXPECT_EQ(Render(), "jinja<b>");
}

TEST_F(LoadChatTemplateTest, SaysWhichFileIsWrong) {
  EXPECT_NE(Render().find("has no chat template"), std::string::npos);
  Write("tokenizer_config.json", R"({"chat_template": 1})");
  EXPECT_NE(Render().find("tokenizer_config.json: chat_template: must be"), std::string::npos);
  Write("tokenizer_config.json", R"({"chat_template": [{"name": "rag", "template": ""}]})");
  EXPECT_NE(Render().find("none is named \"default\""), std::string::npos);
  Write("tokenizer_config.json", R"({"chat_template": "{{"})");
  EXPECT_NE(Render().find("tokenizer_config.json: chat template, line 1:"), std::string::npos);
  Write("tokenizer_config.json", R"({"chat_template": "", "bos_token": 5})");
  EXPECT_NE(Render().find("tokenizer_config.json: bos_token:"), std::string::npos);
  Write("tokenizer_config.json", "{");
  EXPECT_NE(Render().find("tokenizer_config.json: malformed JSON"), std::string::npos);
}

}  // namespace
}  // namespace switchyard::text
