// What people see of a cluster that loads.
#include "cli/status_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/units.h"

namespace switchyard::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

v1::StatusResponse LoadingCluster() {
  v1::StatusResponse status;
  status.set_state(v1::CLUSTER_STATE_LOADING);
  v1::WorkerStatus& reads = *status.add_workers();
  reads.set_rank(0);
  reads.mutable_progress()->set_phase(v1::LOAD_PHASE_LOADING_WEIGHTS);
  reads.mutable_progress()->set_bytes_done(kGiB);
  reads.mutable_progress()->set_bytes_total(4 * kGiB);
  reads.mutable_progress()->set_bytes_per_second(512 * kMiB);
  v1::WorkerStatus& waits = *status.add_workers();
  waits.set_rank(1);
  waits.mutable_progress()->set_phase(v1::LOAD_PHASE_CONNECTING_PEERS);
  return status;
}

TEST(StatusTable, ALoadingRankShowsBytesRateAndTimeLeft) {
  EXPECT_THAT(LoadingLines(LoadingCluster()),
              ElementsAre("rank   0  loading weights      [#####...............]  1.00 GiB of "
                          "4.00 GiB  512.0 MiB/s  6 s left",
                          "rank   1  connecting to peers"));
  EXPECT_THAT(StatusTable(LoadingCluster()), HasSubstr("512.0 MiB/s  6 s left\n"));
}

TEST(StatusTable, ThePackedCacheIsNamed) {
  v1::StatusResponse status = LoadingCluster();
  v1::LoadProgress& progress = *status.mutable_workers(0)->mutable_progress();
  progress.set_phase(v1::LOAD_PHASE_RESTORING_WEIGHTS);
  EXPECT_EQ(LoadingLines(status)[0],
            "rank   0  from packed cache    [#####...............]  1.00 GiB of 4.00 GiB  512.0 "
            "MiB/s  6 s left");
  progress.set_phase(v1::LOAD_PHASE_KEEPING_WEIGHTS);
  EXPECT_THAT(LoadingLines(status)[0], HasSubstr("rank   0  to packed cache      [#####"));
  EXPECT_THAT(LoadingLines(status)[0], HasSubstr("6 s left"));
}

TEST(StatusTable, WithoutARateThereIsNoTimeLeft) {
  v1::StatusResponse status = LoadingCluster();
  status.mutable_workers(0)->mutable_progress()->set_bytes_per_second(0);
  EXPECT_THAT(StatusTable(status), Not(HasSubstr("left")));
  status.mutable_workers(0)->mutable_progress()->set_bytes_per_second(1);
  status.mutable_workers(0)->mutable_progress()->set_bytes_done(4 * kGiB);
  EXPECT_THAT(StatusTable(status), Not(HasSubstr("left")));
}

}  // namespace
}  // namespace switchyard::cli
