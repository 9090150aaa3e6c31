// A small byte-level tokenizer whose file a test can bend: 256 bytes and a few merges.
#ifndef SWITCHYARD_TESTS_COORDINATOR_TEXT_TOKENIZER_TESTING_H_
#define SWITCHYARD_TESTS_COORDINATOR_TEXT_TOKENIZER_TESTING_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "coordinator/text/bpe_tokenizer.h"
#include "coordinator/text/tokenizer_file.h"
#include "coordinator/text/utf8.h"

namespace switchyard::text {

// How byte-level BPE writes a byte.
inline std::string Letter(int byte) {
  const auto is_printable = [](int b) {
    return (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
  };
  int codepoint = byte;
  if (!is_printable(byte)) {
    codepoint = 0x100;
    for (int b = 0; b < byte; ++b) codepoint += !is_printable(b);
  }
  std::string letter;
  AppendUtf8(uint32_t(codepoint), letter);
  return letter;
}

// Ids 0 to 255 are the bytes; 256 "ab", 257 "abc", 258 "cd"; <s> (300) is special, <x> (301) is
// added and normalized.
inline Json SmallTokenizerJson() {
  Json vocab = Json::object();
  for (int byte = 0; byte < 256; ++byte) vocab[Letter(byte)] = byte;
  vocab["ab"] = 256;
  vocab["abc"] = 257;
  vocab["cd"] = 258;
  return Json::parse(R"({
    "version": "1.0",
    "added_tokens": [
      {"id": 300, "content": "<s>", "special": true, "normalized": false},
      {"id": 301, "content": "<x>", "special": false, "normalized": true}],
    "normalizer": null,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false},
    "post_processor": null,
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "vocab": )" +
                     vocab.dump() + R"(, "merges": [["a", "b"], ["c", "d"], ["ab", "c"]]}})");
}

inline absl::StatusOr<std::unique_ptr<BpeTokenizer>> MakeTokenizer(const Json& json) {
  SY_ASSIGN_OR_RETURN(TokenizerSpec spec, ParseTokenizerJson(json.dump()));
  return BpeTokenizer::Create(std::move(spec));
}

inline std::vector<int32_t> Ids(const Tokenizer& tokenizer, std::string_view text,
                                const EncodeOptions& options = {}) {
  const auto ids = tokenizer.Encode(text, options);
  EXPECT_TRUE(ids.ok()) << ids.status();
  return ids.value_or(std::vector<int32_t>{});
}

}  // namespace switchyard::text

#endif  // SWITCHYARD_TESTS_COORDINATOR_TEXT_TOKENIZER_TESTING_H_
