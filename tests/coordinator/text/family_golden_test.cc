// Tokenizers and chat templates of the bundled families against what transformers recorded:
// models/NAME/goldens/README.md says what each case holds. From their files, and from a GGUF file.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "coordinator/text/chat_template_file.h"
#include "coordinator/text/detokenizer.h"
#include "coordinator/text/tokenizer.h"
#include "tests/testing/gguf_model.h"
#include "tests/worker/weights/checkpoint_files.h"

namespace switchyard::text {
namespace {

struct Family {
  const char* model;
  size_t num_tokenizer_cases;
  size_t num_template_cases;
  bool gguf = false;
};
std::ostream& operator<<(std::ostream& out, const Family& family) { return out << family.model; }

class FamilyGolden : public ::testing::TestWithParam<Family> {
 protected:
  void SetUp() override {
    if (!GetParam().gguf) return;
    path_ = files_ / "model.gguf";
    switchyard::testing::WriteGgufModel(folder_, path_);
  }
  std::vector<Json> Cases(const std::string& name) const {
    std::ifstream file(folder_ + "/goldens/" + name);
    std::vector<Json> cases;
    for (std::string line; std::getline(file, line);) cases.push_back(ParseJson(line).value());
    return cases;
  }
  std::unique_ptr<Tokenizer> MakeTokenizer() const {
    auto tokenizer = Tokenizer::FromFiles(path_);
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
    return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
  }
  // By scores, neighbours that make a piece are merged, runs of spaces among them; tiny-gemma3's
  // own file has pieces for them and no merge.
  bool MakesOneOfSpaces(std::string text) const {
    if (!GetParam().gguf || std::string_view(GetParam().model) != "tiny-gemma3") return false;
    constexpr std::string_view kSpelled = "\u2581";
    for (size_t at = text.find(kSpelled); at != text.npos; at = text.find(kSpelled)) {
      text.replace(at, kSpelled.size(), " ");
    }
    return text.find("  ") != text.npos;
  }
  static std::vector<int32_t> Ids(const Json& list) { return list.get<std::vector<int32_t>>(); }

  const std::string folder_ = std::string(SWITCHYARD_SOURCE_DIR "/models/") + GetParam().model;
  const worker::TempFolder files_;
  std::string path_ = folder_;  // what is read
};

TEST_P(FamilyGolden, TokenizesEveryRecordedText) {
  const auto tokenizer = MakeTokenizer();
  ASSERT_NE(tokenizer, nullptr);
  const std::vector<Json> cases = Cases("tokenizer_cases.jsonl");
  EXPECT_EQ(cases.size(), GetParam().num_tokenizer_cases);
  for (const Json& golden : cases) {
    SCOPED_TRACE(golden["text"].dump());
    const auto text = golden["text"].get<std::string>();
    for (const bool add_special : {false, true}) {
      const auto ids =
          tokenizer->Encode(text, {.parse_special = true, .add_special_tokens = add_special});
      ASSERT_TRUE(ids.ok()) << ids.status();
      if (const auto most = tokenizer->max_token_bytes()) {
        EXPECT_LE(text.size(), ids->size() * *most);
      }
      if (MakesOneOfSpaces(text)) {
        EXPECT_EQ(tokenizer->Decode(*ids, /*skip_special=*/true),
                  golden["decoded_skip_special"].get<std::string>());
        continue;
      }
      EXPECT_EQ(*ids, Ids(golden[add_special ? "ids_with_special" : "ids"]));
    }
  }
}

TEST_P(FamilyGolden, DecodesEveryRecordedSequenceAtOnceAndAsAStream) {
  const auto tokenizer = MakeTokenizer();
  ASSERT_NE(tokenizer, nullptr);
  for (const Json& golden : Cases("tokenizer_cases.jsonl")) {
    SCOPED_TRACE(golden["text"].dump());
    const std::vector<int32_t> ids = Ids(golden["ids"]);
    for (const bool skip_special : {false, true}) {
      const auto want =
          golden[skip_special ? "decoded_skip_special" : "decoded"].get<std::string>();
      EXPECT_EQ(tokenizer->Decode(ids, skip_special), want);
      Detokenizer detokenizer(*tokenizer, skip_special);
      std::string text;
      for (const int32_t id : ids) text += detokenizer.Push(id);
      EXPECT_EQ(text + detokenizer.Flush(), want);
    }
  }
}

TEST_P(FamilyGolden, RendersEveryRecordedConversation) {
  const auto model = LoadChatTemplate(path_);
  ASSERT_TRUE(model.ok()) << model.status();
  const auto tokenizer = MakeTokenizer();
  ASSERT_NE(tokenizer, nullptr);
  const std::vector<Json> cases = Cases("template_cases.jsonl");
  EXPECT_EQ(cases.size(), GetParam().num_template_cases);
  for (const Json& golden : cases) {
    SCOPED_TRACE(golden["messages"].dump().substr(0, 500));
    const Json& tools = golden["tools"];
    const auto rendered =
        model->Select(!tools.is_null())
            .Render({.messages = golden["messages"],
                     .tools = tools.is_null() ? nullptr : &tools,
                     .add_generation_prompt = golden["add_generation_prompt"].get<bool>(),
                     .kwargs = &golden["variables"],
                     .bos_token = model->bos_token,
                     .eos_token = model->eos_token});
    if (golden.contains("error")) {
      ASSERT_FALSE(rendered.ok()) << rendered->Text();
      if (!golden.value("error_is_from_template", true)) continue;
      EXPECT_EQ(Message(rendered.status()), golden["error"].get<std::string>());
      continue;
    }
    ASSERT_TRUE(rendered.ok()) << rendered.status();
    EXPECT_EQ(rendered->Text(), golden["rendered"].get<std::string>());
    RenderedText prompt;
    prompt.Append(golden["rendered"].get<std::string>(), /*from_user=*/false);
    const auto ids = tokenizer->EncodeRendered(prompt);
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(*ids, Ids(golden["ids"]));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Families, FamilyGolden,
    ::testing::Values(Family{"tiny-llama", 305, 60}, Family{"tiny-qwen3-moe", 317, 60},
                      Family{"tiny-qwen2", 317, 60}, Family{"tiny-deepseek-v2-lite", 286, 60},
                      Family{"tiny-gemma3", 313, 60}, Family{"tiny-gpt-oss", 314, 60},
                      Family{"tiny-llama", 305, 60, /*gguf=*/true},
                      Family{"tiny-qwen3-moe", 317, 60, /*gguf=*/true},
                      Family{"tiny-qwen2", 317, 60, /*gguf=*/true},
                      Family{"tiny-deepseek-v2-lite", 286, 60, /*gguf=*/true},
                      Family{"tiny-gemma3", 313, 60, /*gguf=*/true},
                      Family{"tiny-gpt-oss", 314, 60, /*gguf=*/true}),
    [](const auto& info) {
      std::string name = info.param.model;
      if (info.param.gguf) name += "_gguf";
      std::ranges::replace(name, '-', '_');
      return name;
    });

}  // namespace
}  // namespace switchyard::text
