// Models as the text book has them (MODEL_SPECS 1 and 5 to 8b), in double precision: every weight
// dequantised, latent attention in its naive form, one prompt at a time, no cache. What the engine
// is held against where there are no recorded goldens.
#ifndef SWITCHYARD_TESTS_WORKER_MODELS_REFERENCE_DECODER_H_
#define SWITCHYARD_TESTS_WORKER_MODELS_REFERENCE_DECODER_H_

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "proto/model.pb.h"
#include "worker/weights/checkpoint.h"

namespace switchyard::testing {

class ReferenceDecoder {
 public:
  // A checkpoint folder with its config.json. A fault in it ends the program.
  explicit ReferenceDecoder(const std::string& model_folder);

  // Logits of every position, [tokens][vocabulary].
  std::vector<std::vector<double>> Logits(const std::vector<int32_t>& tokens);

 private:
  using Row = std::vector<double>;
  using Rows = std::vector<Row>;

  // The tensor's values in double precision, FP8 times its block scales.
  const std::vector<double>& Weight(const std::string& name);
  // x W^T, with the bias of that name if the checkpoint has one.
  Row Linear(const Row& x, const std::string& name);
  Row Norm(const Row& x, const std::string& name, double eps);
  // `step`: from the first of a pair to the second: 1 or half of `dim`.
  static void Rotate(const v1::RopeSpec& rope, double* head, int64_t dim, int64_t step,
                     int64_t position);
  Rows Mla(const Rows& x, const std::string& prefix);
  Rows Gqa(const Rows& x, const std::string& prefix, int layer);
  struct HeadForm {
    size_t window = 0;  // keys that a query sees; 0: all
    bool has_sink = false;
    double sink = 0;  // a score beside the keys'
  };
  Row HeadOutput(const Rows& queries, const Rows& keys, const Rows& values, size_t position,
                 const HeadForm& form) const;
  Row Mlp(const Row& x, const std::string& prefix,
          const std::array<const char*, 3>& names = {"gate_proj", "up_proj", "down_proj"});
  // Of gate and up, as the model joins them.
  double Gated(double gate, double up) const;
  // Expert `expert` of tensors that hold all of them, transposed, gate and up by turns.
  Row FusedExpert(const Row& x, const std::string& prefix, int expert);
  Row Moe(const Row& x, const std::string& prefix);
  // Experts of one token, by score plus bias (MODEL_SPECS 1.4).
  std::vector<int> ChooseExperts(const Row& scores, const std::vector<double>& bias) const;

  v1::ModelSpec model_;
  worker::Checkpoint checkpoint_;
  std::map<std::string, std::vector<double>> weights_;
};

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_WORKER_MODELS_REFERENCE_DECODER_H_
