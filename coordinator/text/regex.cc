#include "coordinator/text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <string>

#include "base/check.h"
#include "base/units.h"
#include "coordinator/text/onig_pattern.h"
#include "coordinator/text/utf8.h"

namespace switchyard::text {
namespace {

constexpr size_t kMaxPatternBytes = 64 * kKiB;
constexpr size_t kJitStackStartBytes = 32 * kKiB;
constexpr size_t kJitStackMaxBytes = 4 * kMiB;
constexpr uint32_t kMatchLimit = 1u << 24;     // backtracking points of one search
constexpr uint32_t kHeapLimitKiB = 64 * kKiB;  // for the interpreter: 64 MiB

std::string PcreError(int code) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(code, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

}  // namespace

struct RegexScratch::State {
  pcre2_match_data* match_data = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(kJitStackStartBytes, kJitStackMaxBytes, nullptr);

  State() {
    SY_CHECK(match_data != nullptr && context != nullptr) << "out of memory";
    pcre2_set_match_limit(context, kMatchLimit);
    pcre2_set_heap_limit(context, kHeapLimitKiB);
    // With no stack of its own (null) the JIT falls back to 32 KiB of the thread's.
    pcre2_jit_stack_assign(context, nullptr, stack);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    pcre2_jit_stack_free(stack);
    pcre2_match_context_free(context);
    pcre2_match_data_free(match_data);
  }
};

RegexScratch::RegexScratch() : state_(std::make_unique<State>()) {}
RegexScratch::~RegexScratch() = default;

void Regex::FreeCode::operator()(pcre2_real_code_8* code) const { pcre2_code_free(code); }

absl::StatusOr<Regex> Regex::CompilePcre(std::string_view pattern, uint32_t options) {
  if (pattern.size() > kMaxPatternBytes) {
    return absl::InvalidArgumentError(
        fmt::format("the regular expression has {} bytes; at most {} are allowed", pattern.size(),
                    kMaxPatternBytes));
  }
  std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      pcre2_compile_context_create(nullptr), &pcre2_compile_context_free);
  SY_CHECK(context != nullptr) << "out of memory";
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  size_t offset = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                   options | PCRE2_UTF, &error, &offset, context.get());
  if (code == nullptr) {
    return absl::InvalidArgumentError(
        fmt::format("the regular expression does not compile: {} (at byte {} of \"{}\")",
                    PcreError(error), offset, pattern.substr(0, 200)));
  }
  // Where the JIT is not available the interpreter serves: the result is not an error.
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  return Regex(code);
}

absl::StatusOr<Regex> Regex::Compile(std::string_view pattern) {
  SY_ASSIGN_OR_RETURN(const std::string translated, TranslateOnigPattern(pattern));
  return CompilePcre(translated, PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C);
}

absl::StatusOr<Regex> Regex::Literal(std::string_view text) {
  return CompilePcre(text, PCRE2_LITERAL);
}

absl::StatusOr<bool> Regex::Find(std::string_view subject, size_t from, RegexScratch& scratch,
                                 Match& match) const {
  RegexScratch::State& state = *scratch.state_;
  const auto search = [&](uint32_t options) {
    return pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(subject.data()), subject.size(),
                       from, options | PCRE2_NO_UTF_CHECK, state.match_data, state.context);
  };
  int result = search(0);
  // The interpreter keeps its backtracking on the heap and gets further.
  if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = search(PCRE2_NO_JIT);
  if (result == PCRE2_ERROR_NOMATCH) return false;
  if (result < 0) {
    return absl::ResourceExhaustedError(fmt::format(
        "a regular expression of the tokenizer gave up at byte {}: {}", from, PcreError(result)));
  }
  const size_t* offsets = pcre2_get_ovector_pointer(state.match_data);
  match = {offsets[0], offsets[1]};
  return true;
}

absl::StatusOr<bool> MatchWalk::Next(Regex::Match& match) {
  while (from_ <= subject_.size()) {
    SY_ASSIGN_OR_RETURN(const bool found, regex_.Find(subject_, from_, scratch_, match));
    if (!found) break;
    if (match.begin == match.end && !first_ && match.end == last_end_) {
      from_ += from_ < subject_.size() ? ReadUtf8Head(subject_.substr(from_)).num_bytes : 1;
      continue;
    }
    first_ = false;
    from_ = last_end_ = match.end;
    return true;
  }
  from_ = subject_.size() + 1;
  return false;
}

}  // namespace switchyard::text
