// The vocabulary's bytes for the workers.
#ifndef SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_TOKEN_TABLE_H_
#define SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_TOKEN_TABLE_H_

#include <string>
#include <string_view>
#include <vector>

#include "coordinator/text/tokenizer.h"
#include "proto/grammar.pb.h"

namespace switchyard::text::grammar {

// All tokens by id. A special one stands between two bytes 0xff, which no text has: only a grammar
// that names the token allows it. Ids without a token, and tokens that hold the byte 0xff, have no
// bytes: no grammar allows them.
v1::TokenTable MakeTokenTable(const Tokenizer& tokenizer);

// `text` with those of `marks` in it that are special tokens as the table has them; others are
// spelled. REQUIRES: `text` has no byte 0xff.
std::string WithSpecialTokens(const Tokenizer& tokenizer, std::string_view text,
                              const std::vector<std::string_view>& marks);

// Whether `text` is a special token.
bool IsSpecialToken(const Tokenizer& tokenizer, std::string_view text);

}  // namespace switchyard::text::grammar

#endif  // SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_TOKEN_TABLE_H_
