// What texts have a format, by hand; and that the compiler's grammars write no others.
#include "tests/coordinator/text/grammar/json_formats.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/coordinator/text/grammar/grammar_testing.h"
#include "tests/coordinator/text/grammar/grammar_walk.h"

namespace switchyard::text::grammar {
namespace {

struct Case {
  const char* format;
  std::vector<std::string> good, bad;
};

const std::vector<Case>& Cases() {
  static const auto& cases = *new std::vector<Case>{
      {"date",
       {"2024-02-29", "2000-02-29", "1999-12-31", "0000-01-01"},
       {"2023-02-29", "1900-02-29", "2024-13-01", "2024-04-31", "2024-00-10", "2024-01-00",
        "2024-1-1", "24-01-01", "2024-01-01 "}},
      {"time",
       {"23:59:59Z", "00:00:00.123+01:30", "12:00:00-23:59", "12:00:00z", "23:59:60Z",
        "15:59:60-08:00", "01:29:60.5+01:30"},
       {"24:00:00Z", "12:60:00Z", "12:00:61Z", "12:00:00", "12:00:00.Z", "12:00Z", "12:00:00+1:00",
        "12:00:00+24:00", "12:00:00+01:60", "22:59:60Z", "23:59:60+01:00"}},
      {"date-time",
       {"2024-01-02T03:04:05Z", "2024-01-02t03:04:05.1+00:00"},
       {"2024-01-02 03:04:05Z", "2024-01-02T03:04:05", "2024-02-30T03:04:05Z", "T03:04:05Z"}},
      {"duration",
       {"P4DT12H30M5S", "P3Y6M4DT12H30M5S", "P2W", "PT5S", "P1M", "PT1M", "P1YT1S", "PT36H",
        "P1M2D", "PT0S"},
       {"", "P", "PT", "P1", "1D", "P1YT", "P2W1D", "P1D2H", "P1Y2D", "PT1H5S", "P1S", "PT1D",
        "P1M1Y", "P1D1D", "P-1D", "P1.5D", "p1D", "P1DT1H "}},
      {"hostname",
       {"a", "example.com", "a-b.example", "1host", "3com.example", "xn--4gbwdl.xn--wgbh1c",
        std::string(63, 'a') + ".b", "1.2.3.a4"},
       {"", "-a", "a-", "a.-b", "a..b", ".a", "a.", "a_b", "a b", "ex\xc3\xa4mple.com",
        std::string(64, 'a'), "1.2.3.4", "256.256.256.256", "123",
        std::string(62, 'a') + "." + std::string(63, 'a') + "." + std::string(63, 'a') + "." +
            std::string(63, 'a')}},
      {"email",
       {"a.b@example.org", "a+b_c@x", "!#$%&'*+-/=?^_`{|}~@a.b"},
       {"a@", "@example.org", "a", "a@b@c", ".a@b.c", "a.@b.c", "a..b@b.c", "a b@c.d", "a@-b.c",
        "a@1.2.3.4", std::string(65, 'a') + "@b.c"}},
      {"ipv4",
       {"0.0.0.0", "192.168.0.255", "1.20.199.249"},
       {"256.1.1.1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.00", "1.2.3.", "1.2.3.a", "1.2.3.-4",
        "1.2.3.4 ", "1..2.3", "1.2.3.0004"}},
      {"ipv6",
       {"::", "::1", "1::", "fe80::1:2", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8",
        "1::3:4:5:6:7:8", "::ffff:192.168.0.1", "1:2:3:4:5:6:1.2.3.4", "ABCD:ef01::"},
       {"",
        ":",
        ":1",
        "1:",
        "1:2",
        "1::2::3",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7",
        ":::",
        "1:::2",
        "12345::",
        "::g",
        "1:2:3:4:5:6:7:8::",
        "::1:2:3:4:5:6:7:8",
        "1:2:3:4::5:6:7:8",
        "::1.2.3",
        "::1.2.3.256",
        "1.2.3.4::",
        "1:2:3:4:5:6:7:1.2.3.4",
        "::1%eth0",
        "::1/64"}},
      {"uuid",
       {"123e4567-e89b-12d3-a456-426614174000", "00000000-0000-0000-0000-000000000000",
        "2EB8AA08-AA98-11EA-B4AA-73B441D16380"},
       {"123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-42661417400",
        "123e4567-e89b-12d3-a456-4266141740000", "123e4567-e89b-12d3-a456_426614174000",
        "g23e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3a-456-426614174000"}},
      {"uri",
       {"https://example.org:8080/a/b?c=d#e", "mailto:a@b", "urn:isbn:0451450523", "a:", "a:/",
        "a:b//c", "file:///etc/passwd", "http://[::1]:80/", "http://[v1.a:b]", "http://u:p@h/",
        "http://h?", "http://h#", "http://%41/%20?%2f#%2F", "x+y-z.1://h", "http://h:/",
        "a:?a/b?c#d/e?f", "http:///p"},
       {"",
        ":a",
        "example.org",
        "/a",
        "//h/a",
        "1a:b",
        "a_b:c",
        "http://a b",
        "http://h/%",
        "http://h/%4",
        "http://h/%g0",
        "http://h:8a/",
        "http://h:80:80/",
        "http://a@b@c/",
        "http://[::1",
        "http://[1:2]/",
        "http://::1/",
        "http://h/[a]",
        "http://h/a#b#c",
        "http://h/<a>",
        "http://h/\\",
        "http://h/\"",
        "http://h/{a}",
        "http://h/^",
        "http://h/|",
        "http://h/\xc3\xa4",
        "a:b\n"}},
  };
  return cases;
}

TEST(JsonFormats, AreThoseOfTheirRfcs) {
  for (const auto& [format, good, bad] : Cases()) {
    for (const std::string& text : good) EXPECT_TRUE(HasFormat(text, format)) << format << text;
    for (const std::string& text : bad) EXPECT_FALSE(HasFormat(text, format)) << format << text;
  }
  EXPECT_FALSE(HasFormat("a", "another"));
}

absl::StatusOr<v1::Grammar> GrammarOf(std::string_view format) {
  return Schema(fmt::format(R"({{"type":"string","format":"{}"}})", format));
}

TEST(JsonFormats, AGrammarRefusesWhatHasNotItsFormat) {
  for (const auto& [format, good, bad] : Cases()) {
    const auto grammar = GrammarOf(format);
    for (const std::string& text : bad) {
      EXPECT_FALSE(Accepts(grammar, Json(text).dump())) << format << " " << text;
    }
  }
}

TEST(JsonFormats, AGrammarWritesNothingElse) {
  constexpr uint32_t kWalks = 150;
  // Pieces that make what is rare likely: long labels, numbers, marks side by side.
  const auto trie = MakeTrie({"::", "//", "--", "..", "00", "255", "60", "29", "-02-", "PT", "://",
                              "1.2.3.4", std::string(31, 'a'), std::string(59, 'b') + "-"});
  const auto ending = static_cast<int32_t>(trie->vocab_size()) - 1;
  for (const auto& [format, good, bad] : Cases()) {
    const worker::GrammarMatcher matcher = MakeMatcher(GrammarOf(format), trie);
    for (uint32_t seed = 0; seed < kWalks; ++seed) {
      const std::string text = Walk(matcher, trie, ending, seed).Run();
      const Json value = Json::parse(text, nullptr, false);
      ASSERT_TRUE(value.is_string()) << format << " " << text;
      ASSERT_TRUE(HasFormat(value.get<std::string>(), format)) << format << " " << text;
    }
  }
}

}  // namespace
}  // namespace switchyard::text::grammar
