// The bundled model's recorded results, and how far `switchyard logits` is from them.
#ifndef SWITCHYARD_TESTS_CLI_RECORDED_LOGITS_H_
#define SWITCHYARD_TESTS_CLI_RECORDED_LOGITS_H_

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "tests/testing/golden.h"

namespace switchyard::cli {

inline constexpr char kModel[] = SWITCHYARD_SOURCE_DIR "/models/tiny-r1";
inline constexpr char kPrompts[] = SWITCHYARD_SOURCE_DIR "/models/tiny-r1/goldens/prompts.jsonl";

// The tensors of a file, by name.
using Tensors = std::map<std::string, std::vector<std::byte>>;
Tensors ReadTensors(const std::string& path);

// In the file's order, which is that of the recorded logits: "row".
std::vector<Json> ReadPrompts();

// How far each prompt's last logits are from the recorded ones.
std::vector<testing::LogitError> LastErrors(const Tensors& got, const std::string& reference,
                                            const std::vector<Json>& prompts);
// The largest difference of each, in order of size.
std::vector<double> Largest(const std::vector<testing::LogitError>& errors);

// How far arithmetic in BF16 may be from a reference: 1.5 times what plain bf16 arithmetic gave
// when the reference was recorded (models/tiny-r1/goldens/README.md). Of largest differences, that
// of one position and those that 90 % and half of the positions stay below.
struct LogitTolerance {
  double largest, of_90_percent, of_half;
  double cosine_distance;
  double kl;
};
inline constexpr LogitTolerance kBf16OfW8a32 = {4.26, 1.5 * 0.27, 1.5 * 0.087, 0.0153, 0.00961};
inline constexpr LogitTolerance kBf16OfW8a8 = {10.5, 1.5 * 1.5, 1.5 * 0.49, 0.0115, 0.0837};
void ExpectWithin(const LogitTolerance& tolerance, const std::vector<testing::LogitError>& errors);

// Prompts whose tokens are not the recorded ones, as far as tokens were computed.
int WrongAnswers(const Tensors& got, const std::vector<Json>& prompts);

}  // namespace switchyard::cli

#endif  // SWITCHYARD_TESTS_CLI_RECORDED_LOGITS_H_
