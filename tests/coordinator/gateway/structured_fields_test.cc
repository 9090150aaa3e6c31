#include "coordinator/gateway/structured_fields.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "coordinator/gateway/error_map.h"
#include "tests/coordinator/text/grammar/grammar_testing.h"

namespace switchyard::gateway {
namespace {

// "free", "bound", or the field that is refused.
std::string Read(std::string_view body) {
  const auto grammar = ReadStructure(*ParseJson(body));
  if (grammar.ok()) return *grammar == nullptr ? "free" : "bound";
  EXPECT_EQ(grammar.status().code(), absl::StatusCode::kInvalidArgument) << body;
  return ErrorObject(grammar.status())["error"]["param"].get<std::string>();
}

TEST(StructuredFields, TakesEveryWayToAskForAForm) {
  EXPECT_EQ(Read("{}"), "free");
  EXPECT_EQ(Read(R"({"response_format":{"type":"text"}})"), "free");
  EXPECT_EQ(Read(R"({"response_format":null,"guided_json":null})"), "free");
  for (const char* body :
       {R"({"response_format":{"type":"json_object"}})",
        R"({"response_format":{"type":"json_schema","json_schema":{"name":"x","strict":true,
            "schema":{"type":"object","properties":{"a":{"type":"integer"}}}}}})",
        R"({"guided_json":{"type":"array","items":{"type":"boolean"}}})",
        R"({"guided_json":"{\"type\":\"string\"}"})", R"({"guided_regex":"[a-z]{2,4}"})",
        R"({"guided_choice":["yes","no"]})", R"({"guided_grammar":"root ::= \"a\" | \"b\""})",
        R"({"structured_outputs":{"choice":["yes","no"]}})",
        R"({"structured_outputs":{"json_object":true}})",
        R"({"structured_outputs":{"regex":"a","disable_any_whitespace":true,"backend":null}})",
        R"({"response_format":{"type":"json_object","schema":{"type":"object"}}})"}) {
    EXPECT_EQ(Read(body), "bound") << body;
  }
}

TEST(StructuredFields, JsonIsCompactUnlessFlexibleSpacingIsAskedFor) {
  constexpr const char* kFlexible = R"("structured_outputs":{"disable_any_whitespace":false)";
  constexpr const char* kForms[] = {R"("json":{"type":"object"})", R"("json_object":true)"};
  const auto accepts = [](const std::string& body, const char* answer) {
    const auto grammar = ReadStructure(*ParseJson("{" + body + "}"));
    return text::grammar::Accepts(**grammar, answer);
  };
  std::vector<std::pair<std::string, bool>> cases;
  for (const char* form : kForms) {
    cases.emplace_back(fmt::format("{},{}}}", kFlexible, form), true);
    cases.emplace_back(fmt::format(R"("structured_outputs":{{{}}})", form), false);
    for (const char* compact : {"true", "null"}) {
      cases.emplace_back(
          fmt::format(R"("structured_outputs":{{"disable_any_whitespace":{},{}}})", compact, form),
          false);
    }
  }
  for (const char* format :
       {R"("response_format":{"type":"json_object"})",
        R"("response_format":{"type":"json_object","schema":{"type":"object"}})",
        R"("response_format":{"type":"json_schema","json_schema":{"schema":{"type":"object"}}})",
        R"("guided_json":{"type":"object"})"}) {
    cases.emplace_back(fmt::format("{},{}}}", format, kFlexible), true);
    cases.emplace_back(format, false);
  }
  for (const auto& [body, is_flexible] : cases) {
    EXPECT_EQ(accepts(body, "{ \"a\" : [1,\n  2] }"), is_flexible) << body;
    EXPECT_TRUE(accepts(body, R"({"a":[1,2]})")) << body;
  }
}

TEST(StructuredFields, RefusesByNameWhatIsWrongOrCannotBeHeld) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"response_format":"json"})", "response_format"},
      {R"({"response_format":{"type":"xml"}})", "response_format.type"},
      {R"({"response_format":{"type":"json_schema"}})", "response_format.json_schema"},
      {R"({"response_format":{"type":"json_schema","json_schema":{"schema":{"type":"colour"}}}})",
       "response_format"},
      {R"({"response_format":{"type":"json_schema","json_schema":{"schema":{},"name":5}}})",
       "response_format.json_schema.name"},
      {R"({"response_format":{"type":"json_schema","json_schema":{"schema":{},"description":[]}}})",
       "response_format.json_schema.description"},
      {R"({"response_format":{"type":"json_schema","json_schema":{"schema":{},"strict":"yes"}}})",
       "response_format.json_schema.strict"},
      {R"({"guided_json":{"not":{"type":"string"}}})", "guided_json"},
      {R"({"guided_json":"{"})", "guided_json"},
      {R"({"guided_regex":5})", "guided_regex"},
      {R"({"guided_regex":"(a"})", "guided_regex"},
      {R"x({"guided_regex":"(((a{1000}){1000}){1000})"})x", "guided_regex"},
      {R"({"guided_choice":[]})", "guided_choice"},
      {R"({"guided_choice":["a",1]})", "guided_choice"},
      {R"({"guided_grammar":"root ::= missing"})", "guided_grammar"},
      {R"({"structured_outputs":[]})", "structured_outputs"},
      {R"({"structured_outputs":{"structural_tag":"{}"}})", "structured_outputs"},
      {R"({"structured_outputs":{"regex":"a","whitespace_pattern":" ?"}})", "structured_outputs"},
      {R"({"structured_outputs":{"regex":"a","disable_any_whitespace":"no"}})",
       "structured_outputs.disable_any_whitespace"},
      {R"({"response_format":{"type":"json_object","schema":{"not":{}}}})", "response_format"},
      {R"({"structured_outputs":{"json_object":false}})", "structured_outputs.json_object"},
      {R"({"guided_regex":"a","guided_choice":["a"]})", "guided_choice"},
      {R"({"response_format":{"type":"json_object"},"structured_outputs":{"regex":"a"}})",
       "structured_outputs.regex"},
  };
  for (const auto& [body, param] : cases) EXPECT_EQ(Read(body), param) << body;
}

}  // namespace
}  // namespace switchyard::gateway
