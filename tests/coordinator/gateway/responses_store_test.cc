// What is kept, for whom and how long.
#include "coordinator/gateway/responses_store.h"

#include <gtest/gtest.h>

namespace switchyard::gateway {
namespace {

using std::chrono::seconds;

constexpr ResponsesStore::TimePoint kStart{seconds(1000)};

StoredResponse Make(const std::string& id, size_t num_bytes = 10, const std::string& tenant = "") {
  return {.id = id, .tenant = tenant, .response = std::string(num_bytes, 'x')};
}

bool Has(ResponsesStore& store, const std::string& id, ResponsesStore::TimePoint now = kStart) {
  return store.Get("", id, now).ok();
}

TEST(ResponsesStore, KeepsTheNewestWithinItsLimits) {
  ResponsesStore store({.responses_max = 3, .bytes_max = 10'000});
  for (const char* id : {"a", "b", "c", "d"}) store.Put(Make(id), kStart);
  EXPECT_FALSE(Has(store, "a"));
  EXPECT_TRUE(Has(store, "b"));
  store.Put(Make("e", 9'000), kStart);
  EXPECT_TRUE(Has(store, "e"));
  store.Put(Make("f", 2'000), kStart);
  EXPECT_FALSE(Has(store, "e"));
  EXPECT_TRUE(Has(store, "f"));
  EXPECT_LE(store.num_bytes(), 10'000u);
  store.Put(Make("g", 20'000), kStart);  // pushes nothing out
  EXPECT_FALSE(Has(store, "g"));
  EXPECT_TRUE(Has(store, "f"));
}

TEST(ResponsesStore, LetsGoOfWhatIsOld) {
  ResponsesStore store({.age_max = seconds(60)});
  store.Put(Make("a"), kStart);
  store.Put(Make("b"), kStart + seconds(30));
  EXPECT_TRUE(Has(store, "a", kStart + seconds(60)));
  EXPECT_FALSE(Has(store, "a", kStart + seconds(61)));
  EXPECT_TRUE(Has(store, "b", kStart + seconds(61)));
  EXPECT_FALSE(Has(store, "b", kStart + seconds(91)));
  EXPECT_EQ(store.num_responses(), 0u);
  EXPECT_EQ(store.num_bytes(), 0u);
}

TEST(ResponsesStore, ATenantSeesItsOwnOnly) {
  ResponsesStore store;
  store.Put(Make("a", 10, "alice"), kStart);
  EXPECT_TRUE(store.Get("alice", "a", kStart).ok());
  EXPECT_EQ(store.Get("bob", "a", kStart).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(store.Delete("bob", "a", kStart).ok());
  EXPECT_TRUE(store.Delete("alice", "a", kStart).ok());
  EXPECT_FALSE(store.Delete("alice", "a", kStart).ok());
}

TEST(ResponsesStore, OnlyWhatIsUnderWayIsReplaced) {
  ResponsesStore store;
  EXPECT_FALSE(store.Replace(Make("a"), kStart));
  StoredResponse running = Make("a");
  running.under_way = true;
  store.Put(running, kStart);
  EXPECT_TRUE(store.Replace(Make("a", 20), kStart));
  EXPECT_FALSE(store.Replace(Make("a", 30), kStart));  // the first end counts
  EXPECT_EQ(store.Get("", "a", kStart).value()->response.size(), 20u);
  EXPECT_EQ(store.num_responses(), 1u);
}

StoredResponse Running(const std::string& id, size_t num_bytes = 10,
                       const std::string& tenant = "") {
  StoredResponse response = Make(id, num_bytes, tenant);
  response.under_way = true;
  return response;
}

// Whatever one tenant sends, it takes nothing from another that has less.
TEST(ResponsesStore, AFloodOfOneTenantTakesItsOwn) {
  const auto has = [](ResponsesStore& store, const char* tenant, const std::string& id) {
    return store.Get(tenant, id, kStart).ok();
  };
  ResponsesStore by_bytes({.responses_max = 100, .bytes_max = 10'000});
  ResponsesStore by_number({.responses_max = 4, .bytes_max = 100'000});
  for (ResponsesStore* store : {&by_bytes, &by_number}) {
    EXPECT_TRUE(store->Put(Make("b1", 1'000, "bob"), kStart));
    for (int i = 0; i < 50; ++i) {
      EXPECT_TRUE(store->Put(Make("a" + std::to_string(i), 1'000, "alice"), kStart));
    }
    EXPECT_TRUE(store->Put(Make("b2", 1'000, "bob"), kStart));
    EXPECT_TRUE(has(*store, "bob", "b1"));
    EXPECT_TRUE(has(*store, "bob", "b2"));
    EXPECT_TRUE(has(*store, "alice", "a49"));
    EXPECT_FALSE(has(*store, "alice", "a0"));
  }
}

TEST(ResponsesStore, WhatIsUnderWayStays) {
  ResponsesStore store({.responses_max = 3, .bytes_max = 100'000, .age_max = seconds(60)});
  EXPECT_TRUE(store.Put(Running("r", 1'000), kStart));
  for (const char* id : {"a", "b", "c", "d"}) store.Put(Make(id), kStart);
  EXPECT_TRUE(Has(store, "r"));
  EXPECT_TRUE(Has(store, "d"));
  EXPECT_FALSE(Has(store, "b"));
  EXPECT_TRUE(Has(store, "r", kStart + seconds(100)));
  EXPECT_FALSE(Has(store, "d", kStart + seconds(100)));
  EXPECT_TRUE(store.Replace(Make("r"), kStart + seconds(100)));
  // Where all is under way, there is no room for more.
  for (const char* id : {"x", "y", "z"}) EXPECT_TRUE(store.Put(Running(id), kStart));
  EXPECT_FALSE(Has(store, "r"));
  EXPECT_FALSE(store.Put(Running("more"), kStart));
  EXPECT_FALSE(store.Put(Make("more"), kStart));
  for (const char* id : {"x", "y", "z"}) EXPECT_TRUE(store.Replace(Make(id), kStart)) << id;
  EXPECT_TRUE(store.Put(Running("more"), kStart));
  EXPECT_EQ(store.num_responses(), 3u);
}

TEST(ResponsesStore, WhoHasMostUnderWayLeavesOthersTheNewestOfTheirs) {
  ResponsesStore store({.responses_max = 4, .bytes_max = 100'000, .age_max = seconds(60)});
  for (const char* id : {"x", "y", "z"}) EXPECT_TRUE(store.Put(Running(id), kStart));
  EXPECT_TRUE(store.Put(Make("done", 10, "other"), kStart));
  EXPECT_TRUE(store.Put(Make("next", 10, "other"), kStart));
  EXPECT_FALSE(store.Get("other", "done", kStart).ok());
  EXPECT_TRUE(store.Get("other", "next", kStart).ok());
}

}  // namespace
}  // namespace switchyard::gateway
