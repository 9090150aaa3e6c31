#include "kernels/cpu/row_kernels_impl.h"
#include "kernels/cpu/vec_avx2.h"

namespace switchyard::kernels::cpu {

const RowKernels kRowKernelsAvx2 = RowKernelsImpl<VecAvx2>::kTable;

}  // namespace switchyard::kernels::cpu
