// One number for everything that a checkpoint says.
#ifndef SWITCHYARD_TESTS_CLI_CHECKPOINT_DIGEST_H_
#define SWITCHYARD_TESTS_CLI_CHECKPOINT_DIGEST_H_

#include <openssl/evp.h>

#include <memory>
#include <string>

#include "tests/worker/weights/checkpoint_files.h"

namespace switchyard::cli {

// SHA-256 in hex over "name dtype shape\n" and bytes of each tensor, in ascending order of the
// names. How the tensors lie in files does not matter.
inline std::string CheckpointDigest(const worker::Checkpoint& checkpoint) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  for (const worker::TensorInfo& tensor : checkpoint.tensors()) {
    const std::string what = fmt::format("{} {} {}\n", tensor.name, FileDtypeName(tensor.dtype),
                                         worker::ShapeString(tensor.shape));
    const std::string bytes = TensorBytes(checkpoint, tensor.name);
    EVP_DigestUpdate(context.get(), what.data(), what.size());
    EVP_DigestUpdate(context.get(), bytes.data(), bytes.size());
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned num_bytes = 0;
  EVP_DigestFinal_ex(context.get(), digest, &num_bytes);
  return fmt::format("{:02x}", fmt::join(digest, digest + num_bytes, ""));
}

}  // namespace switchyard::cli

#endif  // SWITCHYARD_TESTS_CLI_CHECKPOINT_DIGEST_H_
