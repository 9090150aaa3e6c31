// The Kubernetes chart, as far as it can be held without a cluster: its example is a cluster file
// whose hosts are the pods that the templates make, and every value that a template asks for is in
// values.yaml. Where helm is installed, it renders them, too.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <regex>
#include <set>
#include <sstream>

#include "base/file.h"
#include "cli/cluster_file.h"
#include "cli/serve_cluster.h"

namespace switchyard::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr char kChart[] = "deploy/helm/switchyard";

std::string Chart(const std::string& name) {
  return *ReadFile(fmt::format("{}/{}", kChart, name), 1 << 20);
}

// "a" and "a.b" of each key, by how far it is indented.
std::set<std::string> KeysOf(const std::string& yaml) {
  std::set<std::string> keys;
  std::vector<std::pair<size_t, std::string>> above;
  const std::regex key("^( *)([A-Za-z]+):");
  std::istringstream lines(yaml);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (!std::regex_search(line, match, key)) continue;
    const auto depth = static_cast<size_t>(match[1].length());
    while (!above.empty() && above.back().first >= depth) above.pop_back();
    const std::string path = (above.empty() ? "" : above.back().second + ".") + match[2].str();
    keys.insert(path);
    above.emplace_back(depth, path);
  }
  return keys;
}

TEST(HelmChart, TheExampleIsAClusterFileWhoseHostsAreThePods) {
  std::string text = Chart("cluster.toml");
  const std::string mounted = "/models/tiny-r1";
  text.replace(text.find(mounted), mounted.size(), "models/tiny-r1");
  const std::string path = fmt::format("{}/chart.{}.toml", testing::TempDir(), getpid());
  ASSERT_TRUE(WriteFile(path, text).ok());
  const auto file = ReadClusterFile(path);
  fs::remove(path);
  ASSERT_TRUE(file.ok()) << file.status();
  for (size_t i = 0; i < file->hosts.size(); ++i) {
    EXPECT_EQ(file->hosts[i], fmt::format("switchyard-worker-{}.switchyard-worker", i));
  }
  EXPECT_EQ(file->coordinator, "switchyard-coordinator");
  EXPECT_EQ(file->http_host, "0.0.0.0");
  // What the templates say of the same.
  EXPECT_THAT(Chart("templates/worker.yaml"),
              HasSubstr("- $(POD_NAME).{{ .Release.Name }}-worker\n"));
  EXPECT_THAT(Chart("templates/coordinator.yaml"),
              HasSubstr("- {{ .Release.Name }}-coordinator\n"));
  EXPECT_THAT(Chart("values.yaml"), HasSubstr(fmt::format("\nport: {}\n", *file->http_port)));
  EXPECT_THAT(Chart("values.yaml"), HasSubstr(fmt::format("\ngrpcPort: {}\n", *file->grpc_port)));
  const auto none = [](std::string_view) { return false; };
  for (const std::string& host : file->hosts) {
    ServeOptions options;
    ASSERT_TRUE(ApplyClusterFile(*file, host, none, &options).ok());
    EXPECT_EQ(options.coordinator, "switchyard-coordinator:7070");
  }
}

TEST(HelmChart, EveryValueThatATemplateTakesIsThere) {
  const std::set<std::string> keys = KeysOf(Chart("values.yaml"));
  const std::regex use("\\.Values\\.([A-Za-z.]+)");
  std::set<std::string> used;
  for (const auto& entry : fs::directory_iterator(fmt::format("{}/templates", kChart))) {
    const std::string text = *ReadFile(entry.path(), 1 << 20);
    EXPECT_EQ(text.find('\t'), std::string::npos) << entry.path();
    for (auto at = std::sregex_iterator(text.begin(), text.end(), use);
         at != std::sregex_iterator(); ++at) {
      EXPECT_TRUE(keys.contains((*at)[1])) << entry.path() << ": " << (*at)[1];
      used.insert((*at)[1]);
    }
  }
  for (const std::string& key : keys) {
    const std::string first = key.substr(0, key.find('.'));
    EXPECT_TRUE(std::any_of(
        used.begin(), used.end(),
        [&](const std::string& name) { return name == first || name.starts_with(first + "."); }))
        << "values.yaml has " << key << ", which no template takes";
  }
}

TEST(HelmChart, HelmRendersIt) {
  if (std::system("command -v helm > /dev/null 2>&1") != 0) GTEST_SKIP() << "no helm here";
  const std::string command = fmt::format(
      "helm template switchyard {0} --set-file cluster={0}/cluster.toml > /dev/null", kChart);
  EXPECT_EQ(std::system(command.c_str()), 0);
}

}  // namespace
}  // namespace switchyard::cli
