// The normalizers of tokenizer.json: what happens to text before it is cut into pieces.
#ifndef SWITCHYARD_COORDINATOR_TEXT_NORMALIZER_H_
#define SWITCHYARD_COORDINATOR_TEXT_NORMALIZER_H_

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"
#include "coordinator/text/charsmap.h"
#include "coordinator/text/regex.h"
#include "coordinator/text/tokenizer_spec.h"

namespace switchyard::text {

// A list of normalizers, applied in order. Immutable; threads may share it.
class Normalizer {
 public:
  // INVALID_ARGUMENT or UNIMPLEMENTED for a faulty regex or charsmap.
  static absl::StatusOr<Normalizer> Create(const std::vector<NormalizerSpec>& specs);

  // True if Apply changes nothing.
  bool IsIdentity() const { return steps_.empty(); }

  // RESOURCE_EXHAUSTED if the text would grow over kMaxEncodeBytes or a regex gives up. REQUIRES:
  // valid UTF-8.
  absl::StatusOr<std::string> Apply(std::string_view text, RegexScratch& scratch) const;

 private:
  struct Replace {
    Regex pattern;
    std::string content;
  };
  using Step =
      std::variant<UnicodeFormSpec, Replace, PrependSpec, LowercaseSpec, StripSpec, Charsmap>;

  std::vector<Step> steps_;
};

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_NORMALIZER_H_
