// The alphabet of byte-level BPE (GPT-2): each byte has a visible character, so that a vocabulary
// of bytes can be written as text. Bytes that are printable in Latin-1 stand for themselves; the
// other 68 are U+0100, U+0101, ... in order.
#ifndef SWITCHYARD_COORDINATOR_TEXT_BYTE_ALPHABET_H_
#define SWITCHYARD_COORDINATOR_TEXT_BYTE_ALPHABET_H_

#include <optional>
#include <string>
#include <string_view>

namespace switchyard::text {

// The bytes that `token` spells; none if it has a character outside the alphabet. REQUIRES: valid
// UTF-8.
std::optional<std::string> BytesFromAlphabet(std::string_view token);

// How `bytes` are spelled.
std::string AlphabetFromBytes(std::string_view bytes);

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_BYTE_ALPHABET_H_
