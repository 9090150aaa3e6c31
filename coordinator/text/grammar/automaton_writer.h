// Lays rules out as the message of proto/grammar.proto.
#ifndef SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_AUTOMATON_WRITER_H_
#define SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_AUTOMATON_WRITER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "coordinator/text/grammar/dfa.h"
#include "proto/grammar.pb.h"

namespace switchyard::text::grammar {

// Used once. Rules and loops get their states when they are first called.
class AutomatonWriter {
 public:
  // `bodies`: of all rules, by number; must outlive the writer.
  explicit AutomatonWriter(std::vector<const Dfa*> bodies) : bodies_(std::move(bodies)) {}

  // INVALID_ARGUMENT for more than `states_max` states.
  absl::StatusOr<v1::Grammar> Write(uint32_t start, uint32_t states_max);

 private:
  uint32_t FirstState(uint32_t rule);
  uint32_t TargetOf(const Call& call);
  void WriteRule(const Dfa& body, uint32_t first);
  uint32_t SetIndex(const ByteSet& bytes);

  std::vector<const Dfa*> bodies_;
  v1::Grammar grammar_;
  uint32_t num_states_ = 0;
  std::map<uint32_t, uint32_t> first_states_;  // of rules
  std::map<Call, uint32_t> loop_states_;
  // In the order of their states. A loop has no body of its own.
  std::vector<const Dfa*> to_write_;
  std::map<std::string, uint32_t> set_indices_;
};

}  // namespace switchyard::text::grammar

#endif  // SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_AUTOMATON_WRITER_H_
