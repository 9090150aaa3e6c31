// The list of models is that of both registries, and the README shows it.
#include "cli/models_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "base/file.h"
#include "coordinator/core/plan/hf_config.h"
#include "worker/models/model_registry.h"

namespace switchyard::cli {
namespace {

TEST(Models, WhatTheCoordinatorReadsAWorkerComputes) {
  std::vector<std::string_view> read;
  for (const core::ModelFamily& family : core::KnownFamilies()) read.push_back(family.model_type);
  EXPECT_TRUE(std::ranges::is_sorted(read));
  EXPECT_THAT(worker::ServedModelTypes(), ::testing::UnorderedElementsAreArray(read));
}

TEST(Models, EachHasALineOfItsOwn) {
  std::ostringstream out;
  ASSERT_TRUE(RunModels({}, out).ok());
  for (const core::ModelFamily& family : core::KnownFamilies()) {
    EXPECT_NE(out.str().find(fmt::format("\n{} ", family.model_type)), std::string::npos)
        << out.str();
  }
  EXPECT_NE(out.str().find("tp is 1, 2, 4 or 8"), std::string::npos);
}

TEST(Models, TheReadmeShowsTheTable) {
  const auto readme = ReadFile(SWITCHYARD_SOURCE_DIR "/README.md", 1 << 20);
  ASSERT_TRUE(readme.ok()) << readme.status();
  const std::string table = ModelsTable({.markdown = true});
  EXPECT_NE(readme->find(table), std::string::npos)
      << "README.md, \"What it serves today\", must hold what `switchyard models --markdown` "
         "prints:\n"
      << table;
}

TEST(Models, AFullDiskIsToldOf) {
  std::ostringstream out;
  out.setstate(std::ios::badbit);
  EXPECT_EQ(RunModels({}, out).code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace switchyard::cli
