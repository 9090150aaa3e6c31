// Digests of texts and small pieces of files, for names and keys.
#ifndef SWITCHYARD_WORKER_WEIGHTS_SHA256_H_
#define SWITCHYARD_WORKER_WEIGHTS_SHA256_H_

#include <string>
#include <string_view>

namespace switchyard::worker {

// In hexadecimal digits.
std::string Sha256(std::string_view bytes);

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_SHA256_H_
