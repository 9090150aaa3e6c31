// Published results of DeepSeek-V3 on clusters, beside the bounds of what they say they ran.
#ifndef SWITCHYARD_BENCH_BOUNDS_PUBLISHED_H_
#define SWITCHYARD_BENCH_BOUNDS_PUBLISHED_H_

#include <span>
#include <string>
#include <string_view>

#include "coordinator/core/plan/device_figures.h"
#include "coordinator/core/plan/step_bound.h"
#include "proto/model.pb.h"

namespace switchyard::bench {

struct PublishedResult {
  std::string_view system;
  core::DeviceFigures device;
  core::StepShape shape;
  double tokens_per_s = 0;    // of one device
  std::string_view source;    // where it was published
  std::string_view unstated;  // what of the shape is assumed; empty: nothing
  std::string_view why;       // what stands between the bound and it
};

std::span<const PublishedResult> PublishedResults();

// A row for each (Markdown). REQUIRES: latent attention and routed experts.
std::string PublishedTable(const v1::ModelSpec& model);

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_BOUNDS_PUBLISHED_H_
