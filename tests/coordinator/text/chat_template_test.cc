// What a chat template sees of a request, whose text is whose, and what templates are not allowed
// to do.
#include "coordinator/text/chat_template.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/coordinator/text/template_testing.h"

namespace switchyard::text {
namespace {

const Json kHi = Json::parse(R"([{"role": "user", "content": "hi"}])");

// --- Input ---------------------------------------------------------------------------------------

TEST(ChatTemplate, SeesMessagesTokensAndVariables) {
  EXPECT_EQ(
      RenderOrError(
          "{{ bos_token }}{{ messages[0].role }}:{{ messages[0]['content'] }}{{ eos_token }}", kHi),
      "<s>user:hi</s>");
  EXPECT_EQ(RenderOrError("{{ tools is none }}{{ add_generation_prompt }}"), "TrueFalse");
  EXPECT_EQ(RenderOrError("{{ enable_thinking is defined and not enable_thinking }}", kHi,
                          {{"enable_thinking", false}}),
            "True");
  EXPECT_EQ(RenderOrError("{{ strftime_now('%Y-%m-%d') }}"), "2025-08-05");
  EXPECT_EQ(RenderOrError("a{% generation %}{% set x = 1 %}b{{ x }}{% endgeneration %}c{{ x }}"),
            "ab1c");
}

TEST(ChatTemplate, ContentOfNullIsAbsent) {
  const Json messages = Json::parse(R"([{"role": "assistant", "content": null, "name": null}])");
  EXPECT_EQ(
      RenderOrError("{{ messages[0].content is defined }}{{ messages[0].name is none }}", messages),
      "FalseTrue");
}

// Templates tell calls from answers by the one or by the other.
TEST(ChatTemplate, ContentOfNullIsNoneAllTheSame) {
  const Json messages = Json::parse(R"([{"role": "assistant", "content": null}])");
  for (const char* content : {"messages[0].content", "messages[0]['content']",
                              "messages[0].get('content')", "messages[0].copy().content"}) {
    EXPECT_EQ(
        RenderOrError(fmt::format("{{% set c = {} %}}{{{{ c is none }}}}{{{{ c is not none }}}}"
                                  "{{{{ c == none }}}}{{{{ c is string }}}}"
                                  "{{{{ c or 'nothing' }}}}",
                                  content),
                      messages),
        "TrueFalseTrueFalsenothing")
        << content;
  }
  EXPECT_EQ(RenderOrError("[{{ messages[0].content }}]{{ 'content' in messages[0] }}"
                          "{{ messages[0].thinking is none }}{{ messages[0][''] is none }}",
                          messages),
            "[]FalseFalseFalse");
  EXPECT_EQ(RenderOrError("{{ 'a' + messages[0].content }}", messages),
            "error: chat template, line 1: 'dict object' has no attribute 'content'");
}

TEST(ChatTemplate, WithoutBosTokenThereIsNone) {
  const auto chat = ChatTemplate::Compile("{{ bos_token is defined }}[{{ bos_token }}]");
  ASSERT_TRUE(chat.ok());
  EXPECT_EQ(chat->Render({.messages = kHi})->Text(), "False[]");
}

TEST(ChatTemplate, RefusesInputOfTheWrongType) {
  EXPECT_EQ(RenderOrError("", Json::object()), "error: messages: must be a list");
  EXPECT_EQ(RenderOrError("", Json::parse("[1]")), "error: messages[0]: must be an object");
  EXPECT_EQ(RenderOrError("", kHi, Json::array()),
            "error: chat_template_kwargs: must be an object");
  EXPECT_EQ(RenderOrError("", kHi, {{"bos_token", "<|x|>"}}),
            "error: chat_template_kwargs: 'bos_token' cannot be set here");
}

TEST(ChatTemplate, NumbersOfTheRequestKeepTheirForm) {
  const Json kwargs =
      Json::parse(R"({"a": [1, 1.0, -3, 1e20, 9223372036854775807], "b": {"k": "ü"}})");
  EXPECT_EQ(RenderOrError("{{ a }} {{ a | tojson }} {{ b | tojson }}", kHi, kwargs),
            "[1, 1.0, -3, 1e+20, 9223372036854775807] [1, 1.0, -3, 1e+20, 9223372036854775807] "
            "{\"k\": \"ü\"}");
}

TEST(ChatTemplate, ManyThreadsRenderOne) {
  const auto chat =
      ChatTemplate::Compile("{% for m in messages %}{{ m.content | upper }}{% endfor %}");
  ASSERT_TRUE(chat.ok());
  std::vector<std::string> results(4);
  std::vector<std::thread> threads;
  for (std::string& result : results) {
    threads.emplace_back([&chat, &result] {
      for (int i = 0; i < 100; ++i) result = chat->Render({.messages = kHi})->Text();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& result : results) EXPECT_EQ(result, "HI");
}

// --- Errors --------------------------------------------------------------------------------------

TEST(ChatTemplate, TellsWhatTheTemplateRaisedInItsOwnWords) {
  EXPECT_EQ(
      RenderOrError("{{ raise_exception('Roles must alternate: ' ~ messages[0].role) }}", kHi),
      "error: Roles must alternate: user");
  EXPECT_EQ(RenderTemplate("{{ raise_exception('x') }}").status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(ChatTemplate, FaultsNameTheirLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"a\n{{ messages[0].x.y }}", "chat template, line 2: 'dict object' has no attribute 'x'"},
      {"{{ nobody.x }}", "chat template, line 1: 'nobody' is undefined"},
      {"{{ nobody() }}", "chat template, line 1: 'nobody' is undefined"},
      {"{{ 'a' + 1 }}", "chat template, line 1: can only concatenate str (not \"int\") to str"},
      {"{{ 1 + nobody }}", "chat template, line 1: 'nobody' is undefined"},
      {"{{ 'a'.nothing() }}", "chat template, line 1: 'str object' has no attribute 'nothing'"},
      {"{{ 1 / 0 }}", "chat template, line 1: division by zero"},
      {"{{ 9223372036854775807 + 1 }}",
       "chat template, line 1: the result of + does not fit 64 bits"},
      {"{% for x in 1 %}{% endfor %}", "chat template, line 1: 'int' object is not iterable"},
      {"{% set x = 1 %}{% set x.y = 2 %}",
       "chat template, line 1: cannot assign attribute on non-namespace object"},
      {"{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}",
       "chat template, line 1: macro 'm' takes not more than 1 argument(s)"},
      {"{{ 'x' | replace('a') }}", "chat template, line 1: replace() misses its argument 'new'"},
      {"{{ 'x' | trim(c=1) }}",
       "chat template, line 1: trim() got an unexpected keyword argument 'c'"},
      {"{{ nobody | tojson }}",
       "chat template, line 1: Object of type Undefined is not JSON serializable"},
      {"{{ [1, 'a'] | sort }}",
       "chat template, line 1: '<' not supported between instances of 'str' and 'int'"},
      {"{% set a, b = [1] %}", "chat template, line 1: cannot unpack 1 values to 2 names"},
  };
  for (const auto& [source, message] : cases) {
    EXPECT_EQ(RenderOrError(source, kHi), std::string("error: ") + message) << source;
  }
}

TEST(ChatTemplate, CompilesOnlyWhatItKnows) {
  const std::pair<const char*, const char*> cases[] = {
      {"a\n\n{{ x | shout }}", "chat template, line 3: no filter named 'shout'"},
      {"{% if false %}{{ x is loud }}{% endif %}", "chat template, line 1: no test named 'loud'"},
      {"{% include 'x' %}", "chat template, line 1: unknown tag 'include'"},
      {"{% if x %}", "chat template, line 1: the template ends before {% endif %}"},
      {"{% endif %}", "chat template, line 1: unknown tag 'endif'"},
      {"{{ x", "chat template, line 1: a tag without its end }}"},
      {"{# x", "chat template, line 1: a comment {# without #}"},
      {"{{ 'x }}", "chat template, line 1: a string without its end"},
      {"{{ }}", "chat template, line 1: expected an expression, found '}}'"},
      {"{{ a b }}", "chat template, line 1: expected '}}', found 'b'"},
      {"{{ (1 }}", "chat template, line 1: a '}' that closes nothing"},
      {"{{ x ? }}", "chat template, line 1: a character '?' that has no meaning here"},
      {"{% break %}", "chat template, line 1: 'break' outside of a loop"},
      {"{% for x in y recursive %}{% endfor %}",
       "chat template, line 1: recursive loops are not supported"},
      {"{{ 99999999999999999999 }}",
       "chat template, line 1: the number 99999999999999999999 cannot be represented"},
      {"\xff", "chat template: no valid UTF-8"},
  };
  for (const auto& [source, message] : cases) {
    const auto chat = ChatTemplate::Compile(source);
    ASSERT_FALSE(chat.ok()) << source;
    EXPECT_EQ(Message(chat.status()), message) << source;
  }
}

// --- Whose text it is ----------------------------------------------------------------------------

TEST(Provenance, TextOfTheRequestStaysTheUsersThroughAllOperations) {
  const Json messages = Json::parse(R"([{"role": "user", "content": " <|im_end|>é "}])");
  const Json kwargs = Json::parse(R"({"u": "ab", "list": ["x", "y"], "dict": {"k": "v"}})");
  const std::pair<const char*, const char*> cases[] = {
      {"<|im_start|>{{ messages[0].content }}<|im_end|>", "<|im_start|>[ <|im_end|>é ]<|im_end|>"},
      {"{{ '<a>' + messages[0].content|trim + '<b>' }}", "<a>[<|im_end|>é]<b>"},
      {"{{ messages[0].content.strip() ~ 1 }}", "[<|im_end|>é]1"},
      {"{{ messages[0].content.split('|') | join('#') }}", "[ <]#[im_end]#[>é ]"},
      {"{{ messages[0].content.split('|')[1] }}", "[im_end]"},
      {"{{ ('-' + u + '+')[1:] }}{{ ('-' + u + '+')[::-1] }}", "[ab]++[ba]-"},
      {"{{ ('-' + u) | upper }}{{ u | capitalize }}", "-[ABAb]"},
      {"{{ u.replace('b', '<s>') }}{{ 'xbx'.replace('x', u) }}", "[a]<s>[ab]b[ab]"},
      {"{{ u * 2 }}{{ '%s!' % u }}{{ '{}?'.format(u) }}", "[ababab]![ab]?"},
      {"{{ dict | tojson }}", R"({"[k]": "[v]"})"},
      {"{{ {'<s>': u} | tojson(indent=1) }}", "{\n \"<s>\": \"[ab]\"\n}"},
      {"{{ list }}{{ list | string }}", "['[x]', '[y]']['[x]', '[y]']"},
      {"{% for k, v in dict.items() %}{{ k }}={{ v }}{% endfor %}", "[k]=[v]"},
      {"{% for c in u %}({{ c }}){% endfor %}{{ u | list | last }}", "([a])([b])[b]"},
      {"{% set x %}<{{ u }}>{% endset %}{{ x | replace('<', '') }}", "[ab]>"},
      {"{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(u) | indent }}", "<[ab]>"},
      {"{% set ns = namespace(s='') %}{% for x in list %}{% set ns.s = ns.s + x + ',' %}{% endfor "
       "%}{{ ns.s }}",
       "[x],[y],"},
      {"{% filter upper %}t{{ u }}{% endfilter %}", "T[AB]"},
      {"{{ u | default('t') }}{{ nobody | default(u) }}{{ (u ~ '&') | e }}", "[ababab]&amp;"},
      {"{{ strftime_now(u) }}", "[ab]"},
      {"{{ list | map('upper') | join }}{{ list | sort(reverse=true) | first }}", "[XYy]"},
  };
  for (const auto& [source, marked] : cases)
    EXPECT_EQ(RenderMarked(source, messages, kwargs), marked) << source;
}

TEST(Provenance, ComparisonsSeeOnlyText) {
  EXPECT_EQ(RenderMarked(
                "{{ 'yes' if messages[0].content == 'hi' and 'h' in messages[0].content }}", kHi),
            "yes");
  EXPECT_EQ(RenderMarked("{{ {'hi': 'found'}[messages[0].content] }}", kHi), "found");
}

// Templates build special tokens around roles, as "<|" + role + "|>".
TEST(Provenance, KnownRolesAreTheTemplatesWordsAndOthersTheUsers) {
  const Json messages =
      Json::parse(R"([{"role": "user", "content": "user"}, {"role": "<|x|>", "content": ""}])");
  EXPECT_EQ(
      RenderMarked("{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}", messages),
      "<|user|>[user]<|[<|x|>]|>");
}

// --- Limits --------------------------------------------------------------------------------------

TEST(Limits, BombsEndSoonAndSayWhy) {
  const std::string deep_list(1000, '[');
  const char* const bombs[] = {
      "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
      "{{ range(10**9) }}",
      "{{ range(-9223372036854775807, 9223372036854775807, 9000) | list }}",
      "{{ 'a' * 10**9 }}",
      "{{ [0] * 10**12 }}",
      "{{ '' * 10**18 }}{{ [''] * 10**9 }}",
      "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
      "{% macro a() %}{{ b() }}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{{ a() }}{% endmacro "
      "%}{{ a() }}",
      "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% "
      "endfor %}",
      "{% set ns = namespace(l=[]) %}{% for i in range(9999) %}{% set ns.l = [ns.l] %}{% endfor "
      "%}{{ ns.l }}",
      "{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = ns.l + ns.l %}{% "
      "endfor %}",
      "{% set l = [] %}{% set _ = l.append(l) %}{{ l }}",
      "{% set l = [] %}{% set _ = l.append(l) %}{{ l == [l] }}{% set k = [] %}{% set _ = "
      "k.append(k) %}{{ l == k }}",
      "{% set l = ['aaaaaaaaaaaaaaaa' * 999999] * 999 %}{{ l | join }}",
      "{% set s = 'a' * 99999 %}{{ s.replace('a', s) }}",
      "{% set s = 'a' * 9999999 %}{% for i in range(99999) %}{% if 'b' in s %}{% endif %}{% endfor "
      "%}",
      "{{ ('a' * 30000000) | list | length }}",
      "{% set l = range(99999) | list %}{{ l | unique | list | length }}",
      "{{ ('%1000d' * 99999) % ((1,) * 99999) }}",
  };
  for (const char* bomb : bombs) {
    const auto rendered = RenderTemplate(bomb);
    EXPECT_EQ(rendered.status().code(), absl::StatusCode::kResourceExhausted) << bomb << "\n"
                                                                              << rendered.status();
  }
}

TEST(Limits, DeepSourcesAreRefusedBeforeTheyCost) {
  const auto repeat = [](std::string_view part, int times) {
    std::string text;
    for (int i = 0; i < times; ++i) text += part;
    return text;
  };
  const std::string sources[] = {
      "{{ " + repeat("(", 100000) + "1" + repeat(")", 100000) + " }}",
      "{{ " + repeat("[", 100000) + " }}",
      "{{ 1" + repeat(" + 1", 100000) + " }}",
      "{{ " + repeat("-", 100000) + "1 }}",
      "{{ " + repeat("not ", 100000) + "1 }}",
      "{{ x" + repeat(".x", 100000) + " }}",
      "{{ x" + repeat("|trim", 100000) + " }}",
      "{{ 1" + repeat(" if 1 else 1", 100000) + " }}",
      repeat("{% if x %}", 50000),
      repeat("{% for x in y %}", 50000),
      "{% set " + repeat("(", 100000) + " %}",
  };
  for (const std::string& source : sources) {
    const auto chat = ChatTemplate::Compile(source);
    EXPECT_EQ(chat.status().code(), absl::StatusCode::kInvalidArgument) << source.substr(0, 40);
  }
  EXPECT_EQ(RenderOrError("{{ 1" + repeat(" + 1", 150) + " }}"), "151");
  EXPECT_FALSE(ChatTemplate::Compile(std::string(2 << 20, 'x')).ok());
}

// The deepest evaluation that the limits allow must not reach the end of the stack.
TEST(Limits, TheDeepestNestingIsSurvived) {
  std::string source = "{% macro f(n) %}";
  for (int i = 0; i < 60; ++i) source += "{% if true %}{% for x in [1] %}";
  source += "{{ f(n + 1) }}";
  for (int i = 0; i < 60; ++i) source += "{% endfor %}{% endif %}";
  source += "{% endmacro %}{{ f(0) }}";
  EXPECT_EQ(RenderTemplate(source).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(Limits, MacrosThatWalkASchemaFitInside) {
  const char* const source =
      "{% macro walk(n) %}{% if n > 0 %}{% for x in [1] %}({{ walk(n - 1) }}){% endfor %}{% endif "
      "%}{% endmacro %}"
      "{{ walk(40) }}";
  EXPECT_EQ(RenderOrError(source), std::string(40, '(') + std::string(40, ')'));
}

}  // namespace
}  // namespace switchyard::text
