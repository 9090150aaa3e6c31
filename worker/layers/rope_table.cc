#include "worker/layers/rope_table.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/check.h"

namespace switchyard::worker {
namespace {

// YaRN's g: how much longer contexts sharpen the softmax.
double Magnitude(double mscale, double factor) { return 0.1 * mscale * std::log(factor) + 1.0; }

// The pair (as a real number) that turns `rotations` times over the original context.
double PairOfRotations(const v1::RopeSpec& spec, int64_t dim, double rotations) {
  const double context = spec.yarn().original_max_position_embeddings();
  return dim * std::log(context / (rotations * 2 * std::numbers::pi)) /
         (2 * std::log(spec.theta()));
}

void StretchByYarn(const v1::RopeSpec& spec, int64_t dim, std::vector<double>& frequencies) {
  const v1::YarnScaling& yarn = spec.yarn();
  double low = PairOfRotations(spec, dim, yarn.beta_fast());
  double high = PairOfRotations(spec, dim, yarn.beta_slow());
  if (yarn.truncate()) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(dim - 1));
  if (low == high) high += 0.001;
  for (int64_t i = 0; i < dim / 2; ++i) {
    const double ramp = std::clamp((i - low) / (high - low), 0.0, 1.0);
    frequencies[i] = frequencies[i] / yarn.factor() * ramp + frequencies[i] * (1 - ramp);
  }
}

void StretchAsLlama3(const v1::Llama3Scaling& llama3, std::vector<double>& frequencies) {
  const double context = llama3.original_max_position_embeddings();
  const double low = llama3.low_freq_factor(), high = llama3.high_freq_factor();
  for (double& frequency : frequencies) {
    const double turns = context * frequency / (2 * std::numbers::pi);  // over the original context
    const double kept = std::clamp((turns - low) / (high - low), 0.0, 1.0);
    frequency = (1 - kept) * frequency / llama3.factor() + kept * frequency;
  }
}

}  // namespace

std::vector<double> RopeFrequencies(const v1::RopeSpec& spec, int64_t dim) {
  std::vector<double> frequencies(dim / 2);
  for (int64_t i = 0; i < dim / 2; ++i) {
    frequencies[i] = std::pow(spec.theta(), -2.0 * i / dim);
  }
  switch (spec.scaling_case()) {
    case v1::RopeSpec::kYarn:
      StretchByYarn(spec, dim, frequencies);
      break;
    case v1::RopeSpec::kLlama3:
      StretchAsLlama3(spec.llama3(), frequencies);
      break;
    case v1::RopeSpec::kLinearFactor:
      for (double& frequency : frequencies) frequency /= spec.linear_factor();
      break;
    case v1::RopeSpec::kDivisors:
      SY_CHECK_EQ(spec.divisors().divisors_size(), dim / 2) << "divisors of the rope";
      for (int i = 0; i < dim / 2; ++i) frequencies[i] /= spec.divisors().divisors(i);
      break;
    case v1::RopeSpec::SCALING_NOT_SET:
      break;
  }
  return frequencies;
}

double RopeAmplitude(const v1::RopeSpec& spec) {
  if (!spec.has_yarn()) return 1.0;
  const v1::YarnScaling& yarn = spec.yarn();
  if (yarn.has_attention_factor()) return yarn.attention_factor();
  if (yarn.mscale() != 0 && yarn.mscale_all_dim() != 0) {
    return Magnitude(yarn.mscale(), yarn.factor()) /
           Magnitude(yarn.mscale_all_dim(), yarn.factor());
  }
  return Magnitude(1.0, yarn.factor());
}

double AttentionScale(const v1::RopeSpec& spec, int64_t head_dim) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(head_dim));
  if (!spec.has_yarn() || spec.yarn().mscale_all_dim() == 0) return scale;
  const double m = Magnitude(spec.yarn().mscale_all_dim(), spec.yarn().factor());
  return scale * m * m;
}

RopeTable::RopeTable(kernels::Device& device, const v1::RopeSpec& spec, int64_t dim,
                     int64_t max_positions, bool halves)
    : halves_(halves),
      memory_(device.Allocate(max_positions * dim * sizeof(float))),
      view_(memory_.data(), kernels::DType::kF32, {max_positions, dim}) {
  const std::vector<double> frequencies = RopeFrequencies(spec, dim);
  const double amplitude = RopeAmplitude(spec);
  std::vector<float> table(max_positions * dim);
  const int64_t pair_step = halves ? 1 : 2, to_sine = halves ? dim / 2 : 1;
  for (int64_t position = 0; position < max_positions; ++position) {
    for (int64_t i = 0; i < dim / 2; ++i) {
      const double angle = position * frequencies[i];
      float* const cosine = &table[position * dim + i * pair_step];
      *cosine = static_cast<float>(amplitude * std::cos(angle));
      cosine[to_sine] = static_cast<float>(amplitude * std::sin(angle));
    }
  }
  device.CopyToDevice(memory_.data(), table.data(), memory_.num_bytes());
}

}  // namespace switchyard::worker
