// The tensors that a decoder's checkpoint consists of, from the model's numbers: for holding a
// checkpoint against its config, for sizing, and for making random ones.
#ifndef SWITCHYARD_WORKER_WEIGHTS_DECODER_TENSORS_H_
#define SWITCHYARD_WORKER_WEIGHTS_DECODER_TENSORS_H_

#include <string>
#include <string_view>
#include <vector>

#include "proto/model.pb.h"
#include "worker/weights/safetensors.h"

namespace switchyard::worker {

enum class TensorKind {
  kLinear,       // [out, in], FP8 in a quantised checkpoint, else BF16
  kPlainLinear,  // [out, in], always BF16: heads, gate, eh_proj
  kEmbedding,    // [vocabulary, hidden], always BF16
  kTransposed,   // [experts, in, out], always BF16
  kBytes,        // MXFP4's blocks and scales, U8
  kNorm,         // [width], BF16, near 1
  kOffsetNorm,   // [width], BF16, near 0: 1 is added to it
  kBias,         // BF16; of a linear [out], of all experts [experts, out]; sinks [heads]
  kScoreBias,    // [experts], F32: e_score_correction_bias
};

struct ModelTensor {
  std::string name;
  TensorShape shape;
  TensorKind kind = TensorKind::kLinear;
  // The tensor of this list that it repeats (an MTP block stores embedding and head again); empty
  // if none.
  std::string copy_of;
};

// The name of the block scales of the FP8 weight `name`.
inline constexpr std::string_view kScaleSuffix = "_scale_inv";
inline std::string ScaleName(std::string_view name) {
  return std::string(name).append(kScaleSuffix);
}

// In the order of the forward pass: embedding, layers, final norm, head, then MTP blocks. With tied
// embeddings there is no head, neither the model's nor an MTP block's.
std::vector<ModelTensor> DecoderTensors(const v1::ModelSpec& model);

// How a checkpoint stores `tensor`: one entry, or the FP8 weight and its scales if `fp8` and the
// kind allows it.
std::vector<TensorSpec> StoredAs(const ModelTensor& tensor, bool fp8);

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_DECODER_TENSORS_H_
