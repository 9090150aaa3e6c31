// Runs matrix products on the thread pool: one region for any number of products, cut into tasks of
// some rows x one group of panels.
#ifndef SWITCHYARD_KERNELS_CPU_PRODUCT_H_
#define SWITCHYARD_KERNELS_CPU_PRODUCT_H_

#include <cstdint>
#include <span>

namespace switchyard::kernels::cpu {

class PanelMatrix;
struct CpuContext;

// y = x W^T (+ bias), or silu(x Wg^T) * (x Wu^T) for a gate-up matrix.
struct Product {
  const PanelMatrix* weight = nullptr;
  int64_t rows = 0;
  const uint32_t* x = nullptr;      // words [rows, layout().row_words], see activations.h
  int64_t x_stride = 0;             // words from row to row
  const float* x_scales = nullptr;  // f32 [rows, layout().row_scales]; null unless x is quantised
  float* y = nullptr;               // f32 [rows, n]
  int64_t y_stride = 0;
};

// Returns when all are done. Products may not read each other's y.
void RunProducts(const CpuContext& cpu, std::span<const Product> products);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_PRODUCT_H_
