// Registering metrics in one line each. Includes prometheus-cpp: for sources that define metrics.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_METRIC_FAMILIES_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_METRIC_FAMILIES_H_

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <string>

namespace switchyard::gateway {

using MetricLabels = prometheus::Labels;
using Buckets = prometheus::Histogram::BucketBoundaries;

// 1, 2, 5, 10, 20, 50 ... times `first`, up to `last`.
inline Buckets OneTwoFive(double first, double last) {
  Buckets buckets;
  for (double decade = first; decade <= last; decade *= 10) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      if (decade * factor <= last) buckets.push_back(decade * factor);
    }
  }
  return buckets;
}

inline prometheus::Gauge& AddGauge(prometheus::Registry& registry, const std::string& name,
                                   const std::string& help, const MetricLabels& labels = {}) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add(labels);
}

inline prometheus::Counter& AddCounter(prometheus::Registry& registry, const std::string& name,
                                       const std::string& help, const MetricLabels& labels = {}) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add(labels);
}

inline prometheus::Histogram& AddHistogram(prometheus::Registry& registry, const std::string& name,
                                           const std::string& help, const Buckets& buckets,
                                           const MetricLabels& labels = {}) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add(labels, buckets);
}

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_METRIC_FAMILIES_H_
