// Makes a checkpoint in compressed-tensors' FP8 of one in BF16, as llm-compressor would.
#ifndef SWITCHYARD_TESTS_TESTING_COMPRESSED_FP8_H_
#define SWITCHYARD_TESTS_TESTING_COMPRESSED_FP8_H_

#include <string>
#include <string_view>

namespace switchyard::testing {

// Every projection of the layers becomes FP8; `strategy` "channel" has scales of rows, BF16 [rows,
// 1], "tensor" one scale, F32 [1]. `to` must not be there.
void WriteCompressedFp8(const std::string& from, const std::string& to, std::string_view strategy);

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_TESTING_COMPRESSED_FP8_H_
