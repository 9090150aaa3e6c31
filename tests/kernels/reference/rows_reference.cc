#include "tests/kernels/reference/rows_reference.h"

#include <cmath>
#include <complex>

namespace switchyard::kernels::reference {

std::vector<double> RmsNorm(std::span<const float> x, std::span<const float> weight, double eps) {
  double squares = 0;
  for (double value : x) squares += value * value;
  const double scale = 1 / std::sqrt(squares / static_cast<double>(x.size()) + eps);
  std::vector<double> y;
  for (size_t i = 0; i < x.size(); ++i) y.push_back(double{weight[i]} * double{x[i]} * scale);
  return y;
}

double RopeAngle(int64_t position, int64_t pair, int64_t dim, double base) {
  return static_cast<double>(position) *
         std::pow(base, -2.0 * static_cast<double>(pair) / static_cast<double>(dim));
}

int64_t RopePlace(int64_t pair, int part, int64_t dim, bool halves) {
  return halves ? pair + part * (dim / 2) : 2 * pair + part;
}

std::vector<double> Rope(std::span<const float> head, int64_t position, double base, bool halves) {
  const auto dim = static_cast<int64_t>(head.size());
  std::vector<double> y(head.size());
  for (int64_t pair = 0; pair < dim / 2; ++pair) {
    const int64_t first = RopePlace(pair, 0, dim, halves), second = RopePlace(pair, 1, dim, halves);
    const std::complex<double> x(head[first], head[second]);
    const auto turned = x * std::polar(1.0, RopeAngle(position, pair, dim, base));
    y[first] = turned.real();
    y[second] = turned.imag();
  }
  return y;
}

float TreeSum(std::span<const float> parts) {
  if (parts.size() == 1) return parts[0];
  const size_t half = parts.size() / 2;
  return TreeSum(parts.first(half)) + TreeSum(parts.subspan(half));
}

}  // namespace switchyard::kernels::reference
