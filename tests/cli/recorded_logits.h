// The bundled model's recorded results, and how far `switchyard logits` is from them.
#ifndef SWITCHYARD_TESTS_CLI_RECORDED_LOGITS_H_
#define SWITCHYARD_TESTS_CLI_RECORDED_LOGITS_H_

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"

namespace switchyard::cli {

inline constexpr char kModel[] = SWITCHYARD_SOURCE_DIR "/models/tiny-r1";
inline constexpr char kPrompts[] = SWITCHYARD_SOURCE_DIR "/models/tiny-r1/goldens/prompts.jsonl";

// The tensors of a file, by name.
using Tensors = std::map<std::string, std::vector<std::byte>>;
Tensors ReadTensors(const std::string& path);

// In the file's order, which is that of the recorded logits: "row".
std::vector<Json> ReadPrompts();

// The largest difference of each prompt's last logits from the recorded ones, in order of size.
std::vector<double> LastErrors(const Tensors& got, const std::string& reference,
                               const std::vector<Json>& prompts);

// Prompts whose tokens are not the recorded ones, as far as tokens were computed.
int WrongAnswers(const Tensors& got, const std::vector<Json>& prompts);

}  // namespace switchyard::cli

#endif  // SWITCHYARD_TESTS_CLI_RECORDED_LOGITS_H_
