// JSON Schema as its specification reads, for tests: independent of the compiler, slow, and for the
// words that the compiler has.
#ifndef SWITCHYARD_TESTS_COORDINATOR_TEXT_GRAMMAR_JSON_VALIDATOR_H_
#define SWITCHYARD_TESTS_COORDINATOR_TEXT_GRAMMAR_JSON_VALIDATOR_H_

#include <nlohmann/json.hpp>
#include <string>

namespace switchyard::text::grammar {

// Empty if `value` satisfies `schema`, a part of `document`; else which word it breaks, and where.
// `format` is one that json_formats.h has.
std::string FindViolation(const nlohmann::json& document, const nlohmann::json& schema,
                          const nlohmann::json& value);

}  // namespace switchyard::text::grammar

#endif  // SWITCHYARD_TESTS_COORDINATOR_TEXT_GRAMMAR_JSON_VALIDATOR_H_
