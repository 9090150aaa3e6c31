#include "emulator/ptx/tensor_matrix.h"

#include "emulator/ptx/types.h"

namespace emu {

void MatrixToLanes(const Matrix& matrix, bool transposed, uint32_t* lanes) {
  for (int lane = 0; lane < kWarpSize; ++lane) {
    const int i = lane / 4;
    const int j = 2 * (lane % 4);
    const uint32_t low = transposed ? matrix.values[j][i] : matrix.values[i][j];
    const uint32_t high = transposed ? matrix.values[j + 1][i] : matrix.values[i][j + 1];
    lanes[lane] = low | high << 16;
  }
}

void LanesToMatrix(const uint32_t* lanes, bool transposed, Matrix* matrix) {
  for (int lane = 0; lane < kWarpSize; ++lane) {
    const int i = lane / 4;
    const int j = 2 * (lane % 4);
    const auto low = static_cast<uint16_t>(lanes[lane]);
    const auto high = static_cast<uint16_t>(lanes[lane] >> 16);
    (transposed ? matrix->values[j][i] : matrix->values[i][j]) = low;
    (transposed ? matrix->values[j + 1][i] : matrix->values[i][j + 1]) = high;
  }
}

}  // namespace emu
