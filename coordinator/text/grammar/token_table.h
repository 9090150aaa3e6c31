// The vocabulary's bytes for the workers.
#ifndef SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_TOKEN_TABLE_H_
#define SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_TOKEN_TABLE_H_

#include "coordinator/text/tokenizer.h"
#include "proto/grammar.pb.h"

namespace switchyard::text::grammar {

// All tokens by id. Special ones and ids without a token have no bytes: no grammar allows them.
v1::TokenTable MakeTokenTable(const Tokenizer& tokenizer);

}  // namespace switchyard::text::grammar

#endif  // SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_TOKEN_TABLE_H_
