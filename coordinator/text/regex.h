// Regular expressions over UTF-8, by PCRE2 with its JIT, with limits on stack, heap and
// backtracking.
#ifndef SWITCHYARD_COORDINATOR_TEXT_REGEX_H_
#define SWITCHYARD_COORDINATOR_TEXT_REGEX_H_

#include <cstddef>
#include <memory>
#include <string_view>

#include "base/status.h"

struct pcre2_real_code_8;  // PCRE2's own name of pcre2_code with 8-bit units

namespace switchyard::text {

// What one thread needs to run any number of regexes, one at a time. Cheap enough for one a call.
class RegexScratch {
 public:
  RegexScratch();
  ~RegexScratch();

 private:
  friend class Regex;
  struct State;
  std::unique_ptr<State> state_;
};

// A compiled expression. Immutable; any number of threads may search at once, each with its own
// scratch.
class Regex {
 public:
  struct Match {
    size_t begin = 0;
    size_t end = 0;
  };

  // An expression as tokenizer.json writes them (onig_pattern.h). INVALID_ARGUMENT or UNIMPLEMENTED
  // with place and reason.
  static absl::StatusOr<Regex> Compile(std::string_view pattern);
  // An expression that matches exactly `text`.
  static absl::StatusOr<Regex> Literal(std::string_view text);

  // The first match that begins at or after `from`; false if there is none. RESOURCE_EXHAUSTED if
  // the search costs too much. REQUIRES: `subject` is valid UTF-8 and `from` a character's border
  // in it.
  absl::StatusOr<bool> Find(std::string_view subject, size_t from, RegexScratch& scratch,
                            Match& match) const;

 private:
  explicit Regex(pcre2_real_code_8* code) : code_(code) {}
  static absl::StatusOr<Regex> CompilePcre(std::string_view pattern, uint32_t options);

  struct FreeCode {
    void operator()(pcre2_real_code_8* code) const;
  };
  std::unique_ptr<pcre2_real_code_8, FreeCode> code_;
};

// All matches in turn, left to right. An empty match that touches the end of the match before it is
// passed over.
class MatchWalk {
 public:
  MatchWalk(const Regex& regex, std::string_view subject, RegexScratch& scratch)
      : regex_(regex), subject_(subject), scratch_(scratch) {}

  absl::StatusOr<bool> Next(Regex::Match& match);

 private:
  const Regex& regex_;
  const std::string_view subject_;
  RegexScratch& scratch_;
  size_t from_ = 0;
  bool first_ = true;
  size_t last_end_ = 0;
};

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_REGEX_H_
