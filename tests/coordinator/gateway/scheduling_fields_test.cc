#include "coordinator/gateway/scheduling_fields.h"

#include <gtest/gtest.h>

#include "coordinator/gateway/error_map.h"

namespace switchyard::gateway {
namespace {

using std::chrono::milliseconds;

SchedulingFields Read(std::string_view body) {
  SchedulingFields fields;
  const absl::Status status = ReadScheduling(*ParseJson(body), &fields);
  EXPECT_TRUE(status.ok()) << status;
  return fields;
}

// The field that a request is refused for.
std::string ParamOf(std::string_view body) {
  SchedulingFields fields;
  const absl::Status status = ReadScheduling(*ParseJson(body), &fields);
  if (status.ok()) return "OK";
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return ErrorObject(status)["error"]["param"].get<std::string>();
}

TEST(SchedulingFields, WithoutAnyThereIsNoPriorityAndNoTimeout) {
  const SchedulingFields fields = Read("{}");
  EXPECT_EQ(fields.priority, 0);
  EXPECT_EQ(fields.timeout, milliseconds(0));
  EXPECT_EQ(fields.cache_salt, "");
}

TEST(SchedulingFields, AreReadInTheirUnits) {
  const SchedulingFields fields =
      Read(R"({"priority": -3, "timeout": 1.5, "cache_salt": "pepper"})");
  EXPECT_EQ(fields.priority, -3);
  EXPECT_EQ(fields.timeout, milliseconds(1500));
  EXPECT_EQ(fields.cache_salt, "pepper");
  EXPECT_EQ(Read(R"({"timeout": 0.0001})").timeout, milliseconds(1)) << "not none";
}

TEST(SchedulingFields, WhatMakesNoSenseIsRefusedByName) {
  EXPECT_EQ(ParamOf(R"({"priority": 1001})"), "priority");
  EXPECT_EQ(ParamOf(R"({"priority": -2147483648})"), "priority");
  EXPECT_EQ(ParamOf(R"({"priority": "high"})"), "priority");
  EXPECT_EQ(ParamOf(R"({"timeout": 0})"), "timeout");
  EXPECT_EQ(ParamOf(R"({"timeout": -1})"), "timeout");
  EXPECT_EQ(ParamOf(R"({"timeout": 1e9})"), "timeout");
  EXPECT_EQ(ParamOf(R"({"cache_salt": 5})"), "cache_salt");
  const std::string long_salt(SchedulingFields::kMaxSaltBytes + 1, 'x');
  EXPECT_EQ(ParamOf(R"({"cache_salt": ")" + long_salt + "\"}"), "cache_salt");
}

TEST(SchedulingFields, TheTimeoutRunsFromWhenTheRequestArrived) {
  SchedulingFields fields = Read(R"({"timeout": 1.5})");
  const auto now = std::chrono::steady_clock::now();
  EXPECT_TRUE(ReadOrigin({}, &fields).ok());
  EXPECT_GE(*fields.arrived, now) << "unknown: just now";
  EXPECT_TRUE(ReadOrigin({.arrived = now + milliseconds(1500)}, &fields).ok());
  const absl::Status late = ReadOrigin({.arrived = now - milliseconds(1500)}, &fields);
  EXPECT_EQ(late.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(ErrorObject(late)["error"]["param"], "timeout");
  fields.timeout = milliseconds(0);
  EXPECT_TRUE(ReadOrigin({.arrived = now - std::chrono::hours(1)}, &fields).ok());
  EXPECT_EQ(fields.arrived, now - std::chrono::hours(1));
}

TEST(SchedulingFields, ATenantIsAWordOfVisibleCharacters) {
  SchedulingFields fields;
  EXPECT_TRUE(ReadOrigin({.tenant = "team-7"}, &fields).ok());
  EXPECT_EQ(fields.tenant, "team-7");
  EXPECT_TRUE(ReadOrigin({}, &fields).ok());
  for (const std::string& wrong : {std::string("two words"), std::string("t\xc3\xa9"),
                                   std::string(SchedulingFields::kMaxTenantBytes + 1, 'a')}) {
    const absl::Status status = ReadOrigin({.tenant = wrong}, &fields);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(ErrorObject(status)["error"]["param"], "X-Tenant");
  }
}

}  // namespace
}  // namespace switchyard::gateway
