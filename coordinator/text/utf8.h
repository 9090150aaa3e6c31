// UTF-8 as the rest of this folder needs it: how long a sequence is, and what stands for bytes that
// are none.
#ifndef SWITCHYARD_COORDINATOR_TEXT_UTF8_H_
#define SWITCHYARD_COORDINATOR_TEXT_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace switchyard::text {

inline constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

// What stands at the head of some bytes.
struct Utf8Head {
  enum class Kind {
    kValid,       // a whole character
    kInvalid,     // bytes that no continuation can make a character
    kIncomplete,  // the bytes end within what may still become a character
  };
  Kind kind = Kind::kValid;
  // Bytes of the character, or of the maximal subpart of an ill-formed one (Unicode 15,
  // section 3.9, table 3-8); 1 to 4.
  int num_bytes = 1;
};

// REQUIRES: !bytes.empty().
Utf8Head ReadUtf8Head(std::string_view bytes);

bool IsValidUtf8(std::string_view bytes);

// `bytes` with one U+FFFD in place of each maximal ill-formed subpart.
std::string ReplaceInvalidUtf8(std::string_view bytes);

// Appends the UTF-8 form of `codepoint`. REQUIRES: a Unicode scalar value.
void AppendUtf8(uint32_t codepoint, std::string& out);

// The codepoint of one whole character. REQUIRES: ReadUtf8Head(character) says valid.
uint32_t DecodeUtf8(std::string_view character);

// The character that begins at or ends at a border of valid UTF-8; empty at the text's ends.
std::string_view CharacterAfter(std::string_view text, size_t at);
std::string_view CharacterBefore(std::string_view text, size_t at);

// Unicode White_Space. False for no character.
bool IsWhiteSpace(std::string_view character);

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_UTF8_H_
