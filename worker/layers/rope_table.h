// Rotary embedding frequencies with every kind of context extension (MODEL_SPECS 1.5, 1.6, 7, 8d),
// and the table of cosines and sines over positions.
#ifndef SWITCHYARD_WORKER_LAYERS_ROPE_TABLE_H_
#define SWITCHYARD_WORKER_LAYERS_ROPE_TABLE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/device.h"
#include "kernels/tensor_view.h"
#include "proto/model.pb.h"

namespace switchyard::worker {

// Angle per position of each of dim / 2 pairs, radians.
std::vector<double> RopeFrequencies(const v1::RopeSpec& spec, int64_t dim);

// Factor on cosines and sines: 1 without YaRN.
double RopeAmplitude(const v1::RopeSpec& spec);

// head_dim^-0.5, times m^2 with YaRN and mscale_all_dim.
double AttentionScale(const v1::RopeSpec& spec, int64_t head_dim);

class RopeTable {
 public:
  // `halves` as RopeArgs has it.
  RopeTable(kernels::Device& device, const v1::RopeSpec& spec, int64_t dim, int64_t max_positions,
            bool halves);

  // f32 [max_positions, dim]: cosine and sine of each pair, placed as the pair is.
  const kernels::TensorView& view() const { return view_; }
  bool halves() const { return halves_; }
  int64_t num_bytes() const { return memory_.num_bytes(); }

 private:
  const bool halves_;
  kernels::Buffer memory_;
  kernels::TensorView view_;
};

// Those of a model.
struct RopeTables {
  RopeTable all;
  std::optional<RopeTable> windowed = {};  // of layers with a window, where they have their own

  const RopeTable& Of(bool has_window) const {
    return has_window && windowed.has_value() ? *windowed : all;
  }
  int64_t num_bytes() const {
    return all.num_bytes() + (windowed.has_value() ? windowed->num_bytes() : 0);
  }
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_LAYERS_ROPE_TABLE_H_
