#include "kernels/cpu/attention_decode_impl.h"
#include "kernels/cpu/attention_dot.h"
#include "kernels/cpu/attention_pairs.h"
#include "kernels/cpu/attention_prefill_impl.h"
#include "kernels/cpu/gqa_prefill_impl.h"
#include "kernels/cpu/vec_portable.h"

namespace switchyard::kernels::cpu {

const AttentionKernels kAttentionKernelsPortable = {
    .prefill_f32 = PrefillHead<DotFloat<VecPortable, float>>::Run,
    .prefill_bf16 = PrefillHead<DotPairs<VecPortable>>::Run,
    .lay_out_f32 = LayOutHead<DotFloat<VecPortable, float>>,
    .lay_out_bf16 = LayOutHead<DotPairs<VecPortable>>,
    .gqa_prefill_f32 = GqaPrefillGroup<DotFloat<VecPortable, float>>::Run,
    .gqa_prefill_bf16 = GqaPrefillGroup<DotFloat<VecPortable, Bf16>>::Run,
    .decode_f32 = DecodeRun<DotFloat<VecPortable, float>>::Run,
    .decode_bf16 = DecodeRun<DotFloat<VecPortable, Bf16>>::Run,
    .merge = SoftmaxJoin<VecPortable>::Merge,
    .normalize = SoftmaxJoin<VecPortable>::Normalize,
};

}  // namespace switchyard::kernels::cpu
