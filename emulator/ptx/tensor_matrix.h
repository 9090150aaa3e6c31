// The 8x8 matrices of 16-bit elements that ldmatrix and stmatrix move between eight 16-byte rows of
// shared memory and one register of a warp: lane l holds elements (l / 4, 2 (l % 4)) and the next
// one; transposed, elements (2 (l % 4), l / 4) and the one below.
//
// Owner: none, pure functions. Thread: any.
#ifndef SWITCHYARD_EMULATOR_PTX_TENSOR_MATRIX_H_
#define SWITCHYARD_EMULATOR_PTX_TENSOR_MATRIX_H_

#include <cstdint>

namespace emu {

constexpr int kMatrixRows = 8;
constexpr int kMatrixRowBytes = 16;

// Eight rows of eight elements.
struct Matrix {
  uint16_t values[kMatrixRows][kMatrixRows];
};

void MatrixToLanes(const Matrix& matrix, bool transposed, uint32_t* lanes);
void LanesToMatrix(const uint32_t* lanes, bool transposed, Matrix* matrix);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_TENSOR_MATRIX_H_
