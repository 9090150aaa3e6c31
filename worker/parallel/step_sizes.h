// How many tokens a step has, at most, by what its plan says of all groups: what ranks that see
// different rows must agree on.
#ifndef SWITCHYARD_WORKER_PARALLEL_STEP_SIZES_H_
#define SWITCHYARD_WORKER_PARALLEL_STEP_SIZES_H_

#include <cstdint>

#include "proto/cluster.pb.h"
#include "proto/step.pb.h"
#include "worker/parallel/parallel_context.h"

namespace switchyard::worker {

// Of any group: a sequence that goes on with what is sampled has as many as the plan lets it draft,
// and one more.
int64_t MostTokens(const v1::StepPlan& plan);
// Of any rank's slice.
int64_t MostSliceTokens(const v1::StepPlan& plan, const ParallelContext& context);
// The same where all groups pad their rows (PaddedRows).
int64_t PaddedSliceTokens(const v1::StepPlan& plan, const ParallelContext& context);

// Whether any step may be computed as two micro-batches.
bool CutsSteps(const v1::StepLimits& limits);
// Whether the step is computed as two micro-batches, where its exchange counts rows.
bool IsCut(const v1::StepPlan& plan, const v1::StepLimits& limits);
// The most tokens of a group in one micro-batch.
int64_t MostMicroBatchTokens(const v1::StepLimits& limits);

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_PARALLEL_STEP_SIZES_H_
