#include "kernels/cpu/row_kernels_impl.h"
#include "kernels/cpu/vec_avx512.h"

namespace switchyard::kernels::cpu {

const RowKernels kRowKernelsAvx512 = RowKernelsImpl<VecAvx512>::kTable;

}  // namespace switchyard::kernels::cpu
