#include "emulator/ptx/mbarrier.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "emulator/ptx/fault.h"

namespace emu {
namespace {

class MbarrierTest : public ::testing::Test {
 protected:
  MbarrierTest() { std::memset(bytes_, 0xff, sizeof bytes_); }

  template <class Action>
  std::string Fails(Action action) {
    try {
      action();
    } catch (const Fault& fault) {
      EXPECT_EQ(fault.kind(), FaultKind::kIllegalOperation);
      return fault.message();
    }
    return "no fault";
  }
  bool Mentions(const std::string& text, const char* what) {
    return text.find(what) != std::string::npos;
  }

  alignas(8) std::byte bytes_[8];
  Mbarrier object_{bytes_};
};

TEST_F(MbarrierTest, APhaseEndsWithItsLastArrivalAndTheNextBegins) {
  object_.Init(3);
  EXPECT_FALSE(object_.PhaseEnded(0));
  EXPECT_TRUE(object_.PhaseEnded(1));  // the phase before the first one
  EXPECT_FALSE(object_.Arrive(1, false, nullptr));
  EXPECT_FALSE(object_.Arrive(1, false, nullptr));
  EXPECT_TRUE(object_.Arrive(1, false, nullptr));
  EXPECT_TRUE(object_.PhaseEnded(0));
  EXPECT_FALSE(object_.PhaseEnded(1));
  EXPECT_EQ(object_.pending(), 3u);
  EXPECT_TRUE(object_.Arrive(3, false, nullptr));
  EXPECT_TRUE(object_.PhaseEnded(1));
  EXPECT_FALSE(object_.PhaseEnded(0));
}

TEST_F(MbarrierTest, BytesHoldAPhaseOpen) {
  object_.Init(1);
  object_.ExpectTransactions(4096);
  EXPECT_FALSE(object_.Arrive(1, false, nullptr));
  EXPECT_FALSE(object_.CompleteTransactions(4080));
  EXPECT_FALSE(object_.PhaseEnded(0));
  EXPECT_TRUE(object_.CompleteTransactions(16));
  EXPECT_TRUE(object_.PhaseEnded(0));
}

TEST_F(MbarrierTest, BytesMayComeBeforeTheyAreExpected) {
  object_.Init(1);
  EXPECT_FALSE(object_.CompleteTransactions(64));
  EXPECT_EQ(object_.transactions(), -64);
  EXPECT_FALSE(object_.ExpectTransactions(64));
  EXPECT_TRUE(object_.Arrive(1, false, nullptr));
  // And even after the last arrival.
  EXPECT_FALSE(object_.CompleteTransactions(64));
  EXPECT_FALSE(object_.Arrive(1, false, nullptr));
  EXPECT_TRUE(object_.ExpectTransactions(64));
}

TEST_F(MbarrierTest, AStateNamesItsPhase) {
  object_.Init(2);
  uint64_t first = 0;
  uint64_t second = 0;
  object_.Arrive(1, false, &first);
  EXPECT_EQ(Mbarrier::PendingCount(first), 2u);
  EXPECT_FALSE(object_.StateEnded(first));
  object_.Arrive(1, false, &second);
  EXPECT_EQ(Mbarrier::PendingCount(second), 1u);
  EXPECT_TRUE(object_.StateEnded(first));
  EXPECT_TRUE(object_.StateEnded(second));
  uint64_t next = 0;
  object_.Arrive(1, false, &next);
  EXPECT_FALSE(object_.StateEnded(next));
  EXPECT_TRUE(object_.StateEnded(first));
}

TEST_F(MbarrierTest, AWaiterTwoPhasesBehindWaitsAgain) {
  object_.Init(1);
  object_.Arrive(1, false, nullptr);
  EXPECT_TRUE(object_.PhaseEnded(0));
  object_.Arrive(1, false, nullptr);
  EXPECT_FALSE(object_.PhaseEnded(0));
}

TEST_F(MbarrierTest, DroppedArrivalsAreNotExpectedAgain) {
  object_.Init(2);
  object_.Arrive(1, true, nullptr);
  EXPECT_TRUE(object_.Arrive(1, false, nullptr));
  EXPECT_EQ(object_.pending(), 1u);
  EXPECT_TRUE(object_.Arrive(1, false, nullptr));
}

TEST_F(MbarrierTest, MisuseIsNamed) {
  EXPECT_FALSE(object_.valid());
  EXPECT_TRUE(Mentions(Fails([&] { object_.Arrive(1, false, nullptr); }), "before mbarrier.init"));
  EXPECT_TRUE(Mentions(Fails([&] { object_.PhaseEnded(0); }), "before mbarrier.init"));
  EXPECT_TRUE(Mentions(Fails([&] { object_.Init(0); }), "count of 0"));
  EXPECT_TRUE(Mentions(Fails([&] { object_.Init(1 << 20); }), "count of"));
  object_.Init(1);
  EXPECT_TRUE(Mentions(Fails([&] { object_.Arrive(2, false, nullptr); }), "too many arrivals"));
  EXPECT_TRUE(Mentions(Fails([&] { object_.Arrive(0, false, nullptr); }), "zero"));
  EXPECT_TRUE(Mentions(Fails([&] { object_.CheckNoComplete(1); }), "would end"));
  EXPECT_TRUE(Mentions(Fails([&] { object_.StateEnded(7); }), "no state"));
  EXPECT_TRUE(Mentions(Fails([&] { object_.ExpectTransactions(1 << 20); }), "above its limit"));
  object_.Init(1);
  object_.CompleteTransactions((1 << 20) - 1);
  EXPECT_TRUE(Mentions(Fails([&] { object_.CompleteTransactions(1); }), "below its limit"));
  object_.Invalidate();
  EXPECT_FALSE(object_.valid());
  EXPECT_TRUE(Mentions(Fails([&] { object_.Arrive(1, false, nullptr); }), "mbarrier.inval"));
}

}  // namespace
}  // namespace emu
