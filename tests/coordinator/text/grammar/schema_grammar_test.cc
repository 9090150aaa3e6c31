// JSON mode and JSON Schema, word by word: what is accepted, what is not, what is refused at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/text/grammar/grammar_testing.h"

namespace switchyard::text::grammar {
namespace {

using ::testing::HasSubstr;

struct Case {
  std::string schema;
  std::vector<std::string> accepted;
  std::vector<std::string> refused;
};

void Check(std::initializer_list<Case> cases) {
  for (const Case& one : cases) {
    const auto grammar = Schema(one.schema);
    ASSERT_TRUE(grammar.ok()) << one.schema << ": " << grammar.status();
    for (const auto& text : one.accepted) {
      EXPECT_TRUE(Accepts(grammar, text)) << one.schema << " refuses " << text;
    }
    for (const auto& text : one.refused) {
      EXPECT_FALSE(Accepts(grammar, text)) << one.schema << " accepts " << text;
    }
  }
}

TEST(JsonGrammar, JsonModeIsAnObjectOfAnyContent) {
  const auto grammar = CompileJsonObject();
  for (const char* text : {"{}", R"({"a":1,"b":[true,false,null,{}],"c":{"d":"\u00e9\n\\\" é 😀"}})",
                           R"({"":-0.5e+10,"x":[[],[1,2]]})", R"({"p":"\ud83d\ude00"})"}) {
    EXPECT_TRUE(Accepts(grammar, text)) << text;
  }
  for (const char* text :
       {"", "[]", "1", "{", R"({"a"})", R"({"a":01})", R"({"a":1,})", R"({"a": 1})", "{}}",
        R"({"a":"\ud83d"})", R"({"a":"\x"})", "{\"a\":\"\n\"}", "{\"a\":\"\xff\"}", R"({"a":+1})",
        R"({"a":1.})", R"({'a':1})"}) {
    EXPECT_FALSE(Accepts(grammar, text)) << text;
  }
}

TEST(JsonGrammar, FlexibleSpacingTakesBlanksWhereJsonDoes) {
  const auto grammar = CompileJsonSchema(
      ParseJson(R"({"properties": {"a": {"type": "array", "items": {"type": "integer"}}},
                    "required": ["a"], "type": "object"})")
          .value(),
      JsonSpacing::kFlexible);
  for (const char* text : {R"({"a":[1,2]})", "{\n  \"a\" : [ 1 ,\t2 ] , \"b\" : { } }"}) {
    EXPECT_TRUE(Accepts(grammar, text)) << text;
  }
  for (const char* text : {R"({"a":[1 2]})", R"({"a":[1 0 ]})", R"({"a":[1],})"}) {
    EXPECT_FALSE(Accepts(grammar, text)) << text;
  }
}

TEST(SchemaGrammar, Types) {
  Check({
      {"true", {"1", "null", "[]", "{}", "\"\"", "-1.5e3"}, {"", "nul", "[", "01"}},
      {"{}", {"1", "{\"a\":[1]}"}, {"tru"}},
      {R"({"type": "null"})", {"null"}, {"0", "nulll"}},
      {R"({"type": "boolean"})", {"true", "false"}, {"1"}},
      {R"({"type": "integer"})", {"0", "-12", "123456789012345678"}, {"1.5", "1e3", "00", "-"}},
      {R"({"type": "number"})", {"0", "-1.25", "1e9", "3E-2"}, {"1.", ".5", "+1", "1e999"}},
      {R"({"type": ["string", "null"]})", {"null", "\"x\""}, {"1"}},
      {R"({"type": "array"})", {"[]", "[1,[2]]"}, {"{}", "[1,]"}},
      {R"({"type": "object"})", {"{}", R"({"a":1})"}, {"[]"}},
  });
}

TEST(SchemaGrammar, Numbers) {
  Check({
      {R"({"type": "integer", "minimum": -7, "maximum": 120})",
       {"-7", "0", "9", "99", "120"},
       {"-8", "121", "1000", "-0", "5.0"}},
      {R"({"type": "integer", "exclusiveMinimum": 9, "exclusiveMaximum": 12})",
       {"10", "11"},
       {"9", "12", "1"}},
      {R"({"type": "number", "minimum": 0.5, "exclusiveMaximum": 2})",
       {"0.5", "0.50", "1", "1.999", "0.75"},
       {"0.4", "0.49", "2", "2.0", "0"}},
      {R"({"type": "number", "exclusiveMinimum": -1.5, "maximum": -0.25})",
       {"-1.49", "-1", "-0.25", "-0.3"},
       {"-1.5", "-0.2", "0", "1", "-2"}},
      {R"({"type": "number", "minimum": 1e2})", {"100", "100.5", "999"}, {"99.9", "-100", "1e5"}},
      {R"({"type": "integer", "multipleOf": 7})", {"0", "7", "-14", "700"}, {"1", "15"}},
      {R"({"type": "integer", "multipleOf": 3, "minimum": 10, "maximum": 20})",
       {"12", "15", "18"},
       {"9", "10", "21"}},
      {R"({"type": "number", "multipleOf": 0.01})", {"1", "1.5", "-1.25"}, {"1.255"}},
      {R"({"type": "integer", "multipleOf": 4, "allOf": [{"multipleOf": 6}]})",
       {"12", "24"},
       {"4", "6", "8"}},
  });
}

TEST(SchemaGrammar, Strings) {
  Check({
      {R"({"type": "string", "minLength": 2, "maxLength": 3})",
       {R"("ab")", R"("日本語")", R"("\n\u00e9")", R"("😀\ud83d\ude00x")"},
       {R"("a")", R"("abcd")", R"("")"}},
      {R"({"type": "string", "maxLength": 0})", {R"("")"}, {R"("a")"}},
      {R"({"type": "string", "pattern": "^[a-z]+\\d$"})",
       {R"("abc1")", R"("z0")"},
       {R"("1")", R"("abc")", R"("abc1 ")"}},
      {R"({"type": "string", "pattern": "b"})", {R"("b")", R"("abc")", R"("\nb")"}, {R"("ac")"}},
      {R"({"type": "string", "pattern": "^[\"\\\\\n]$"})",
       {R"("\"")", R"("\\")", R"("\n")"},
       {R"(""")", R"("n")"}},
      {R"({"type": "string", "pattern": "^a", "minLength": 2, "maxLength": 4})",
       {R"("ab")", R"("abcd")"},
       {R"("a")", R"("abcde")", R"("ba")"}},
      {R"({"type": "string", "pattern": "a", "allOf": [{"pattern": "b"}]})",
       {R"("ab")", R"("xbxa")"},
       {R"("aa")", R"("b")"}},
  });
}

TEST(SchemaGrammar, Formats) {
  Check({
      {R"({"type": "string", "format": "date"})",
       {R"("2024-02-29")", R"("1999-12-31")", R"("2000-02-29")", R"("0004-02-29")",
        R"("0400-02-29")", R"("0010-01-01")", R"("0900-04-30")", R"("9000-12-31")"},
       {R"("2023-02-29")", R"("1900-02-29")", R"("2024-13-01")", R"("2024-04-31")",
        R"("0000-01-02")", R"("0000-02-29")"}},
      {R"({"type": "string", "format": "time"})",
       {R"("23:59:59Z")", R"("00:00:00.123+01:30")"},
       {R"("24:00:00Z")", R"("12:00:00")"}},
      {R"({"type": "string", "format": "date-time"})",
       {R"("2024-01-02T03:04:05Z")"},
       {R"("2024-01-02 03:04:05Z")"}},
      {R"({"type": "string", "format": "duration"})", {R"("P1DT2H")", R"("PT5S")"}, {R"("P")"}},
      {R"({"type": "string", "format": "uuid"})",
       {R"("123e4567-e89b-12d3-a456-426614174000")"},
       {R"("123e4567e89b12d3a456426614174000")"}},
      {R"({"type": "string", "format": "ipv4"})",
       {R"("192.168.0.255")"},
       {R"("256.1.1.1")", R"("1.2.3")"}},
      {R"({"type": "string", "format": "ipv6"})",
       {R"("::")", R"("::1")", R"("fe80::1:2")", R"("1:2:3:4:5:6:7:8")", R"("1::")"},
       {R"("1:2")", R"("1::2::3")", R"("1:2:3:4:5:6:7:8:9")", R"(":1")"}},
      {R"({"type": "string", "format": "email"})",
       {R"("a.b@example.org")"},
       {R"("a@b")", R"("@example.org")"}},
      {R"({"type": "string", "format": "hostname"})", {R"("a-b.example")"}, {R"("-a")"}},
      {R"({"type": "string", "format": "uri"})",
       {R"("https://example.org:8080/a/b?c=d#e")", R"("mailto:a@b")"},
       {R"("example.org")", R"("http://a b")"}},
  });
}

TEST(SchemaGrammar, ConstantsAreWrittenAsTheyAreAndMustFitTheOtherWords) {
  Check({
      {R"({"const": {"b": [1, "x"], "a": null}})", {R"({"b":[1,"x"],"a":null})"}, {"{}"}},
      {R"({"enum": ["a\"b", 1, null, "é"]})", {R"("a\"b")", "1", "null", "\"é\""}, {"\"a\""}},
      {R"({"enum": ["a", "bb", 3, 4.5], "type": ["string", "integer"], "minLength": 2})",
       {"\"bb\"", "3"},
       {"\"a\"", "4.5"}},
      {R"({"enum": [1, 2, 3], "const": 2})", {"2"}, {"1", "3"}},
      {R"({"enum": [[1], [1, 2], ["x"]], "items": {"type": "integer"}, "minItems": 2})",
       {"[1,2]"},
       {"[1]", "[\"x\"]"}},
  });
}

TEST(SchemaGrammar, Arrays) {
  Check({
      {R"({"type": "array", "items": {"type": "integer"}})", {"[]", "[1]", "[1,2]"}, {"[true]"}},
      {R"({"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 3})",
       {"[1,2]", "[1,2,3]"},
       {"[]", "[1]", "[1,2,3,4]"}},
      {R"({"type": "array", "prefixItems": [{"const": 1}, {"type": "string"}]})",
       {"[]", "[1]", "[1,\"a\"]", "[1,\"a\",{},2]"},
       {"[2]", "[1,2]"}},
      {R"({"type": "array", "prefixItems": [{"const": 1}], "items": false, "minItems": 1})",
       {"[1]"},
       {"[]", "[1,1]"}},
      {R"({"type": "array", "maxItems": 0})", {"[]"}, {"[1]"}},
      {R"({"type": "array", "items": {"$ref": "#"}})", {"[]", "[[],[[]]]"}, {"[1]"}},
      {R"({"type": "array", "items": {"type": "null"}, "minItems": 1000, "maxItems": 1000})",
       {},
       {"[null,null]"}},
  });
}

TEST(SchemaGrammar, Objects) {
  Check({
      {R"({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "null"},
           "c": {"type": "boolean"}}, "required": ["b"], "additionalProperties": false})",
       {R"({"b":null})", R"({"a":1,"b":null})", R"({"a":1,"b":null,"c":true})"},
       {"{}", R"({"b":null,"a":1})", R"({"a":1})", R"({"b":null,"d":1})", R"({"a":1,"b":null,})"}},
      {R"({"type": "object", "properties": {"a": {"type": "integer"}}})",
       {"{}", R"({"a":1})", R"({"a":1,"b":[]})", R"({"x":1,"y":2})", R"({"ab":"x"})"},
       {R"({"a":"x"})", R"({"x":1,"a":1})"}},
      {R"({"type": "object", "additionalProperties": {"type": "integer"}})",
       {"{}", R"({"x":1,"y":2})"},
       {R"({"x":true})"}},
      {R"({"type": "object", "required": ["z"]})", {R"({"z":[]})", R"({"z":1,"a":2})"}, {"{}"}},
      {R"({"type": "object", "patternProperties": {"^s_": {"type": "string"},
           "_n$": {"type": "integer"}}, "additionalProperties": false})",
       {"{}", R"({"s_a":"x","b_n":1})"},
       {R"({"x":1})", R"({"s_a":1})", R"({"s_n":1})", R"({"s_n":"x"})"}},
      {R"({"type": "object", "patternProperties": {"^s": {"minLength": 2}},
           "properties": {"sa": {"type": "string"}}})",
       {R"({"sa":"xx"})", R"({"s":1,"t":"x"})"},
       {R"({"sa":"x"})", R"({"sa":1})", R"({"sb":"x"})"}},
      {R"({"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "minProperties": 2,
           "additionalProperties": false})",
       {R"({"a":1,"c":2})", R"({"a":1,"b":1,"c":2})"},
       {"{}", R"({"a":1})"}},
      {R"({"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "maxProperties": 2})",
       {"{}", R"({"a":1,"c":2})", R"({"x":1,"y":2})"},
       {R"({"a":1,"b":1,"c":2})", R"({"a":1,"x":1,"y":2})"}},
      {R"({"type": "object", "minProperties": 1})", {R"({"a":1})", R"({"a":1,"b":2})"}, {"{}"}},
      {R"({"type": "object", "properties": {"é\"\\": {"const": 1}},
           "additionalProperties": false})",
       {R"({"é\"\\":1})"},
       {R"({"é":1})"}},
  });
}

TEST(SchemaGrammar, Combinations) {
  Check({
      {R"({"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 1}]})",
       {"1", "\"a\""},
       {"\"ab\"", "null"}},
      {R"({"type": "integer", "anyOf": [{"minimum": 10}, {"maximum": 3}]})", {"2", "11"}, {"5"}},
      {R"({"allOf": [{"properties": {"a": {"type": "integer"}}, "required": ["a"]},
                     {"properties": {"b": {"type": "null"}, "a": {"minimum": 5}}}],
           "type": "object"})",
       {R"({"a":5})", R"({"a":7,"b":null})"},
       {R"({"a":4})", R"({"b":null})", R"({"a":5,"b":1})"}},
      {R"({"allOf": [{"properties": {"a": {}}, "additionalProperties": false},
                     {"properties": {"b": {}}}], "type": "object"})",
       {"{}", R"({"a":1})"},
       {R"({"b":1})", R"({"a":1,"b":1})"}},
      {R"({"oneOf": [{"type": "integer", "maximum": 5}, {"type": "integer", "minimum": 6}]})",
       {"5", "6"},
       {"\"\""}},
      {R"({"oneOf": [{"properties": {"k": {"const": "a"}}, "required": ["k"], "type": "object"},
                     {"properties": {"k": {"const": "b"}, "n": {"type": "integer"}},
                      "required": ["k", "n"], "type": "object"}]})",
       {R"({"k":"a"})", R"({"k":"b","n":1})"},
       {R"({"k":"b"})", R"({"k":"c"})"}},
      {R"({"$ref": "#/$defs/tree", "$defs": {"tree": {"type": "object", "properties": {
           "v": {"type": "integer"}, "kids": {"type": "array", "items": {"$ref": "#/$defs/tree"}}},
           "required": ["v"], "additionalProperties": false}}})",
       {R"({"v":1})", R"({"v":1,"kids":[{"v":2,"kids":[]},{"v":3}]})"},
       {R"({"kids":[]})", R"({"v":1,"kids":[{}]})"}},
      {R"({"type": "object", "properties": {"a/b": {"type": "null"}, "c": {"$ref":
           "#/properties/a~1b"}, "d": {"$ref": "#/properties/a%7E1b"}}})",
       {R"({"c":null,"d":null})"},
       {R"({"c":1})"}},
  });
}

// Numbers that are not written, since they have too many digits, are numbers all the same.
TEST(SchemaGrammar, OneOfLooksAtNumbersAndNotAtHowTheyAreWritten) {
  const std::string overlapping[] = {
      R"([{"type": "number"}, {"type": "integer", "exclusiveMinimum": 999999999999999999}])",
      R"([{"type": "number"}, {"type": "integer", "exclusiveMaximum": -999999999999999999}])",
      R"([{"type": "number"}, {"exclusiveMinimum": 0, "exclusiveMaximum": 1e-15}])",
      R"([{"exclusiveMinimum": 0, "type": "number"}, {"exclusiveMaximum": 1e-15}])",
      R"([{"type": "number", "multipleOf": 1e-14}, {"exclusiveMinimum": 12345,
          "exclusiveMaximum": 12345.00000000001, "multipleOf": 1e-13}])",
      R"([{"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]},
          {"properties": {"a": {"type": "integer", "exclusiveMinimum": 999999999999999999}},
           "required": ["a"]}])",
  };
  for (const std::string& alternatives : overlapping) {
    const auto grammar = Schema(R"({"oneOf": )" + alternatives + "}");
    EXPECT_EQ(grammar.status().code(), absl::StatusCode::kInvalidArgument) << alternatives;
    EXPECT_THAT(std::string(Message(grammar.status())),
                HasSubstr("oneOf: a value may fit both alternative 0 and 1"))
        << alternatives;
  }
  Check({
      {R"({"oneOf": [{"type": "number", "exclusiveMaximum": 1e-15},
                     {"type": "number", "minimum": 1e-15, "maximum": 1}]})",
       {"0", "1", "-2"},
       {"1.1"}},
      {R"({"oneOf": [{"type": "integer"},
                     {"type": "number", "exclusiveMinimum": 5, "exclusiveMaximum": 6}]})",
       {"5", "6", "5.5"},
       {}},
      {R"({"oneOf": [{"type": "integer", "minimum": 1, "maximum": 6},
                     {"type": "integer", "multipleOf": 7}]})",
       {"1", "7"},
       {"8"}},
      {R"({"oneOf": [{"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.1},
                     {"type": "number", "multipleOf": 0.1}]})",
       {"0.05", "0.1"},
       {"0.15"}},
      {R"({"type": "object", "properties": {"a": {"exclusiveMinimum": 0, "exclusiveMaximum": 1e-15,
           "type": "number"}}})",
       {"{}", R"({"b":0})"},
       {R"({"a":0})", R"({"a":1})", R"({"a":})"}},
  });
}

TEST(SchemaGrammar, WhatIsNotSupportedIsNamedWithItsPlace) {
  const std::pair<std::string, std::string> cases[] = {
      {R"({"type": "strin"})", "schema #: type: there is no type \"strin\""},
      {R"({"not": {}})", "schema #: the word 'not'"},
      {R"({"if": {}, "then": {}})", "the word 'if'"},
      {R"({"uniqueItems": true})", "uniqueItems: is not supported"},
      {R"({"properties": {"a/b": {"contains": {}}}})", "schema #/properties/a~1b: the word"},
      {R"({"anyOf": [{}, {"unevaluatedProperties": false}]})", "schema #/anyOf/1"},
      {R"({"format": "regex"})", "format: the format 'regex'"},
      {R"x({"pattern": "(?=a)"})x", "pattern: regex, byte 2"},
      {R"({"minLength": -1})", "minLength"},
      {R"({"minLength": 1.5})", "minLength"},
      {R"({"exclusiveMinimum": true})", "exclusiveMinimum: needs a number"},
      {R"({"multipleOf": 0.3})", "multipleOf"},
      {R"({"multipleOf": 0})", "multipleOf"},
      {R"({"multipleOf": -2})", "multipleOf: must be above 0"},
      {R"({"type": "number", "multipleOf": -0.01})", "multipleOf: must be above 0"},
      {R"({"items": [{}]})", "prefixItems"},
      {R"({"enum": []})", "enum"},
      {R"({"allOf": []})", "allOf"},
      {R"({"required": "a"})", "required"},
      {R"({"properties": {"a": 1}})", "schema #/properties/a: a schema is"},
      {R"({"minProperties": 2})", "minProperties: 2 members cannot be promised"},
      {R"({"patternProperties": {"^x": {}}, "additionalProperties": false, "minProperties": 3,
           "properties": {"a": {}, "b": false}})",
       "minProperties: 3 members cannot be promised"},
      {R"({"type": "object", "additionalProperties": false, "minProperties": 2,
           "properties": {"a": {}}})",
       "no text satisfies"},
      {R"({"$ref": "#/$defs/x"})", "there is no '#/$defs/x'"},
      {R"({"$ref": "http://x/y"})", "not in this schema"},
      {R"({"properties": {"a": {"$id": "http://x/y", "$ref": "#/$defs/b"}}, "$defs": {"b": {}}})",
       "schema #/properties/a: $id"},
      {R"({"const": 123456789012345678901234567890})", "const: a number is larger than 64 bits"},
      {R"({"enum": [1, {"a": [-98765432109876543210]}]})", "enum: a number is larger"},
      {R"({"$ref": "#"})", "refers to itself"},
      {R"({"anyOf": [{"type": "null"}, {"$ref": "#"}]})", "refers to itself"},
      {R"({"oneOf": [{"type": "string"}, {"minLength": 3}]})", "oneOf"},
      {R"({"type": "string", "minimum": 3, "enum": [1]})", "no text satisfies schema #"},
      {R"({"type": "integer", "minimum": 3, "maximum": 2})", "no text satisfies"},
      {R"({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]})",
       "no text satisfies"},
      {"false", "no text satisfies"},
      {"3", "a schema is an object"},
  };
  for (const auto& [schema, message] : cases) {
    const auto grammar = Schema(schema);
    EXPECT_EQ(grammar.status().code(), absl::StatusCode::kInvalidArgument) << schema;
    EXPECT_THAT(std::string(Message(grammar.status())), HasSubstr(message)) << schema;
  }
}

TEST(SchemaGrammar, WordsThatSayNothingAboutValidityAreTaken) {
  EXPECT_TRUE(Schema(R"({"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "t",
      "$comment": "c", "$id": "http://x/y", "discriminator": {"propertyName": "k"},
      "description": "d", "default": 1, "examples": [1], "deprecated": true,
      "x-order": 3, "uniqueItems": false, "type": "integer"})")
                  .ok());
}

TEST(SchemaGrammar, APatternAndALengthHoldTogether) {
  const auto quoted = [](const std::string& text) { return "\"" + text + "\""; };
  const auto a = [](int count) { return std::string(count, 'a'); };
  Check(
      {{R"({"type": "string", "pattern": "^[A-Z][a-z\n]*$", "minLength": 3, "maxLength": 40})",
        {quoted("Baa"), quoted("B" + a(39)), quoted("B\\n\\n" + a(37))},
        {quoted("Ba"), quoted("B" + a(40)), quoted("B\\n\\n" + a(38)), quoted(a(5))}},
       {R"({"type": "string", "pattern": "^[a-z]{5,30}(-[0-9])?$", "maxLength": 25})",
        {quoted(a(5)), quoted(a(25)), quoted(a(23) + "-1")},
        {quoted(a(4)), quoted(a(26)), quoted(a(24) + "-1")}},
       {R"({"type": "string", "pattern": "^(ab|cd)[é]{2,}$", "minLength": 20, "maxLength": 20})",
        {quoted("ab"
                "éééééééééééééééééé")},
        {quoted("ab"
                "ééééééééééééééééé"),
         quoted("cd"
                "ééééééééééééééééééé")}},
       {R"({"type": "string", "pattern": "^a{20,}$", "maxLength": 30, "minLength": 25})",
        {quoted(a(25)), quoted(a(30))},
        {quoted(a(24)), quoted(a(31))}},
       {R"({"type": "string", "pattern": "b", "maxLength": 4})",
        {quoted("b"), quoted("aaab"), quoted("baaa")},
        {quoted("aaa"), quoted("baaaa")}},
       {R"({"anyOf": [{"type": "null"}, {"type": "string", "pattern": "^[ab]{9}$", "maxLength": 8}]})",
        {"null"},
        {quoted("ababababa"), quoted("abababab")}}});
}

TEST(SchemaGrammar, ConstantsKeepTheirDigits) {
  Check({{R"({"enum": [18446744073709551615, -9223372036854775808, 0.1, 1e18, 2.5e-7]})",
          {"18446744073709551615", "-9223372036854775808", "0.1", "1e+18", "2.5e-07"},
          {"18446744073709551616", "1.8446744073709552e+19"}}});
}

TEST(SchemaGrammar, EqualConstantsAreEqualHoweverTheyAreWritten) {
  Check({{R"({"enum": [1, "1", [1, {"a": 1, "b": 2}], {"x": [1]}],
              "allOf": [{"enum": [1.0, [1.0, {"b": 2, "a": 1.0}], {"x": ["1"]}, "1.0", true]}]})",
          {"1", R"([1,{"a":1,"b":2}])"},
          {"1.0", R"("1")", R"({"x":[1]})", "true"}}});
}

}  // namespace
}  // namespace switchyard::text::grammar
