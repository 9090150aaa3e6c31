// What tokenizer.json and tokenizer_config.json say, as plain data: written by tokenizer_file, read
// by the classes that do the work. Only what has been checked stands here.
#ifndef SWITCHYARD_COORDINATOR_TEXT_TOKENIZER_SPEC_H_
#define SWITCHYARD_COORDINATOR_TEXT_TOKENIZER_SPEC_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace switchyard::text {

// Text to look for, by its bytes or by a regular expression (Oniguruma's dialect).
struct PatternSpec {
  std::string text;
  bool is_regex = false;
};

// --- normalizers, applied in order ---

struct UnicodeFormSpec {
  enum class Form { kNfc, kNfd, kNfkc, kNfkd };
  Form form = Form::kNfc;
};
struct ReplaceSpec {
  PatternSpec pattern;
  std::string content;
};
struct PrependSpec {
  std::string text;  // goes before any text that is not empty
};
struct LowercaseSpec {};
struct StripSpec {  // white space at the text's ends goes
  bool left = true;
  bool right = true;
};
struct PrecompiledSpec {
  std::string charsmap;  // its bytes (charsmap.h)
};
using NormalizerSpec = std::variant<UnicodeFormSpec, ReplaceSpec, PrependSpec, LowercaseSpec,
                                    StripSpec, PrecompiledSpec>;

// --- pre-tokenizers, applied in order, each to every piece that the one before it made ---

// What becomes of the text that a split pattern matches.
enum class SplitBehavior {
  kIsolated,            // a piece of its own
  kRemoved,             // dropped
  kMergedWithPrevious,  // joined to the piece before it
  kMergedWithNext,      // joined to the piece after it
  kContiguous,          // joined to neighbours that also match
};

// Which pieces get a space in front, if they do not begin with one.
enum class PrefixSpace {
  kNever,
  kFirst,  // the one that the text begins with
  kAlways,
};

// Cuts pieces at the matches of a pattern. Without a pattern it only may put a space in front.
struct SplitSpec {
  PatternSpec pattern;
  bool has_pattern = true;
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;                             // matched and unmatched text change places
  PrefixSpace prefix_space = PrefixSpace::kNever;  // goes in front before the pattern is looked for
  std::string space = " ";                         // how spaces are spelled from here on
};

// --- vocabulary ---

// What tokens are spelled in.
enum class Symbols {
  kBytes,       // of GPT-2's byte alphabet
  kCharacters,  // as SentencePiece has it; bytes of a character that is no token
};

// Tokenizer::num_stripped_spaces: as many as there are.
inline constexpr size_t kAllSpaces = std::numeric_limits<size_t>::max();

struct TokenSpec {
  std::string bytes;          // what the token stands for; empty where an id has no token
  std::string spelling = {};  // as the model meets it in normalized text, if that is not `bytes`
  bool is_defined = false;    // the id has a token
  bool is_mergeable = false;  // BPE can make it
  bool is_byte = false;       // one byte of a character that is no token
  bool is_special = false;    // left out of text when specials are skipped

  const std::string& piece() const { return spelling.empty() ? bytes : spelling; }
};

// The tokens of a Unigram model are those with ids from 0 on.
struct UnigramSpec {
  std::vector<double> scores;  // by id
  int32_t unk_id = 0;
  bool falls_back = false;  // on the bytes of a character that no token spells
};

struct MergeSpec {  // in order of rank
  int32_t left = 0;
  int32_t right = 0;
  int32_t result = 0;
};

struct AddedTokenSpec {
  int32_t id = 0;
  std::string content;
  bool special = false;
  bool normalized = false;   // looked for in normalized text
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space after it
};

struct TokenizerSpec {
  std::vector<TokenSpec> tokens;  // by id
  std::vector<MergeSpec> merges;
  std::vector<AddedTokenSpec> added_tokens;
  std::vector<NormalizerSpec> normalizers;
  std::vector<SplitSpec> splits;
  Symbols symbols = Symbols::kBytes;
  std::optional<UnigramSpec> unigram;  // none: the model is BPE
  size_t num_stripped_spaces = 0;      // Tokenizer::num_stripped_spaces
  bool ignore_merges = false;          // a piece that is a token as a whole is that token
  bool merges_by_result = false;       // ranked by the id of what they make; else by their order
  bool may_lack_bytes = false;         // text loses bytes that have no token; else that is a fault
  std::vector<int32_t> prefix_ids;     // what `add_special_tokens` puts in front
  int32_t bos_id = -1;                 // -1: none
  int32_t eos_id = -1;
};

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_TOKENIZER_SPEC_H_
