#include "cli/template_command.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>

#include "base/file.h"

namespace switchyard::cli {
namespace {

class TemplateCommandTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/template_command_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  std::string Write(const std::string& name, const std::string& bytes) {
    EXPECT_TRUE(WriteFile(dir_ + "/" + name, bytes).ok());
    return dir_ + "/" + name;
  }
  std::string Run(const TemplateOptions& options) {
    std::ostringstream out;
    const absl::Status status = RunTemplate(options, out);
    return status.ok() ? out.str() : "error: " + std::string(Message(status));
  }
  std::string dir_;
};

TEST_F(TemplateCommandTest, WritesThePromptOfTheBundledModelAndNothingElse) {
  const std::string request =
      Write("request.json", R"({"model": "x", "stream": true, "enable_thinking": true,
      "add_generation_prompt": true, "messages": [{"role": "user", "content": "Hi"}]})");
  EXPECT_EQ(Run({.model_folder = std::string(SWITCHYARD_SOURCE_DIR) + "/models/tiny-r1",
                 .request_file = request}),
            "<｜begin▁of▁sentence｜><｜User｜>Hi<｜Assistant｜><think>\n");
}

TEST_F(TemplateCommandTest, TakesATemplateFileAndItsVariables) {
  const std::string file =
      Write("t.jinja", "{{ who }}:{{ tools | length }}:{{ strftime_now('%Y') }}");
  const std::string request =
      Write("request.json",
            R"({"messages": [], "tools": [{}, {}], "chat_template_kwargs": {"who": "me"}})");
  EXPECT_EQ(Run({.template_file = file,
                 .request_file = request,
                 .now = std::tm{.tm_mday = 1, .tm_year = 99}}),
            "me:2:1999");
}

TEST_F(TemplateCommandTest, TellsWhatTheTemplateRaised) {
  const std::string file = Write("t.jinja", "text{{ raise_exception('No ' ~ messages[0].role) }}");
  const std::string request = Write("request.json", R"({"messages": [{"role": "robot"}]})");
  EXPECT_EQ(Run({.template_file = file, .request_file = request}), "error: No robot");
}

TEST_F(TemplateCommandTest, NamesWhatIsWrongWithItsInput) {
  const std::string file = Write("t.jinja", "x");
  const std::string request = Write("request.json", "{}");
  EXPECT_EQ(Run({.template_file = file, .request_file = request}),
            "error: " + request + ": must be an object with messages");
  EXPECT_EQ(Run({.request_file = request}),
            "error: give either a model's folder or a template file");
  const std::string flag = Write("flag.json", R"({"messages": [], "add_generation_prompt": 1})");
  EXPECT_EQ(Run({.template_file = file, .request_file = flag}),
            "error: add_generation_prompt: must be true or false");
  const std::string broken = Write("broken.jinja", "{{");
  EXPECT_EQ(Run({.template_file = broken, .request_file = flag}),
            "error: " + broken + ": chat template, line 1: a tag without its end }}");
}

}  // namespace
}  // namespace switchyard::cli
