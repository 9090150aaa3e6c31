// Schemas for tests: some as people write them, the rest drawn from a seed out of all words.
#ifndef SWITCHYARD_TESTS_COORDINATOR_TEXT_GRAMMAR_SCHEMA_SAMPLES_H_
#define SWITCHYARD_TESTS_COORDINATOR_TEXT_GRAMMAR_SCHEMA_SAMPLES_H_

#include <string>
#include <vector>

namespace switchyard::text::grammar {

// The same ones every time. Each has a text. REQUIRES: count is at least 20.
std::vector<std::string> SampleSchemas(size_t count);

}  // namespace switchyard::text::grammar

#endif  // SWITCHYARD_TESTS_COORDINATOR_TEXT_GRAMMAR_SCHEMA_SAMPLES_H_
