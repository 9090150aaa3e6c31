#include "kernels/cpu/row_kernels_impl.h"
#include "kernels/cpu/vec_portable.h"

namespace switchyard::kernels::cpu {

const RowKernels kRowKernelsPortable = RowKernelsImpl<VecPortable>::kTable;

}  // namespace switchyard::kernels::cpu
