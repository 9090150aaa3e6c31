// Numbers that nobody can guess: seeds that clients leave open, ids of answers.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_RANDOM_ID_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_RANDOM_ID_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace switchyard::gateway {

// From the system's entropy.
uint64_t RandomUint64();

// "PREFIX_" and 32 hexadecimal digits; or with another character between.
std::string RandomName(std::string_view prefix, char separator = '_');

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_RANDOM_ID_H_
