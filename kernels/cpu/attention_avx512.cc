#include "kernels/cpu/attention_decode_impl.h"
#include "kernels/cpu/attention_dot.h"
#include "kernels/cpu/attention_pairs.h"
#include "kernels/cpu/attention_prefill_impl.h"
#include "kernels/cpu/gqa_prefill_impl.h"
#include "kernels/cpu/vec_avx512.h"

namespace switchyard::kernels::cpu {

const AttentionKernels kAttentionKernelsAvx512 = {
    .prefill_f32 = PrefillHead<DotFloat<VecAvx512, float>>::Run,
    .prefill_bf16 = PrefillHead<DotPairs<VecAvx512>>::Run,
    .lay_out_f32 = LayOutHead<DotFloat<VecAvx512, float>>,
    .lay_out_bf16 = LayOutHead<DotPairs<VecAvx512>>,
    .gqa_prefill_f32 = GqaPrefillGroup<DotFloat<VecAvx512, float>>::Run,
    .gqa_prefill_bf16 = GqaPrefillGroup<DotFloat<VecAvx512, Bf16>>::Run,
    .decode_f32 = DecodeRun<DotFloat<VecAvx512, float>>::Run,
    .decode_bf16 = DecodeRun<DotFloat<VecAvx512, Bf16>>::Run,
    .merge = SoftmaxJoin<VecAvx512>::Merge,
    .normalize = SoftmaxJoin<VecAvx512>::Normalize,
};

}  // namespace switchyard::kernels::cpu
