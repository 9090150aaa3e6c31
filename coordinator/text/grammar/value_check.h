// Whether a value is what a schema asks for.
#ifndef SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_VALUE_CHECK_H_
#define SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_VALUE_CHECK_H_

#include <span>
#include <string>

#include "coordinator/text/grammar/schema.h"

namespace switchyard::text::grammar {

// For the values of `const` and `enum`.
class ValueCheck {
 public:
  ValueCheck(std::span<const SchemaNode> nodes, Budget& budget) : nodes_(nodes), budget_(budget) {}

  // All words of the node and of those that it is made of. False when the budget is spent, too;
  // schemas that refer to each other in a very long chain spend it.
  bool Fits(const Json& value, SchemaId id);

 private:
  bool FitsNode(const Json& value, SchemaId id);
  bool FitsNumber(const Json& value, const SchemaNode& node) const;
  bool FitsString(const std::string& text, const SchemaNode& node);
  bool FitsArray(const Json& array, const SchemaNode& node);
  bool FitsObject(const Json& object, const SchemaNode& node);
  bool FitsMember(const std::string& name, const Json& value, const SchemaNode& node);

  std::span<const SchemaNode> nodes_;
  Budget& budget_;
  int depth_ = 0;
};

// The same for equal values and for no others: 1 and 1.0 are equal, and members have no order.
std::string CanonicalText(const Json& value);

// The bit of the value's type.
uint8_t TypeOfValue(const Json& value);

}  // namespace switchyard::text::grammar

#endif  // SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_VALUE_CHECK_H_
