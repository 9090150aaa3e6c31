// API keys as an operator writes them down: whose requests they let in.
//
//   {"keys": [{"key": "sk-of-team-a-0123456789", "tenant": "team-a", "weight": 2},
//             {"sha256": "9f86d081...", "tenant": "team-b"}]}
//
// `sha256` is the digest of the key's bytes in 64 hex digits, so that the file holds no secret.
// `weight` (default 1) is the tenant's share of the cluster beside others'; a tenant may have many
// keys and has one weight.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_API_KEYS_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_API_KEYS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace switchyard::gateway {

// Immutable once parsed; thread-safe. Holds digests only.
class ApiKeys {
 public:
  static constexpr size_t kMaxKeys = 4096;
  static constexpr size_t kMinKeyBytes = 16;
  static constexpr size_t kMaxKeyBytes = 512;
  static constexpr double kMinWeight = 0.001;
  static constexpr double kMaxWeight = 1000;

  // INVALID_ARGUMENT names the entry by its place and what is wrong with it, and quotes nothing of
  // the text: all of it may be secret. A key that stands there twice is wrong, and so is a member
  // with an unknown name.
  static absl::StatusOr<ApiKeys> Parse(std::string_view text);

  // The key's tenant; null for a key that is not one of these. Takes as long for any key of a
  // length: every digest is compared to its end.
  const std::string* TenantOf(std::string_view key) const;

  // 1 for a tenant without a key.
  double WeightOf(std::string_view tenant) const;

  size_t size() const { return keys_.size(); }

 private:
  using Digest = std::array<uint8_t, 32>;
  struct Key {
    Digest digest;
    std::string tenant;
  };

  static Digest DigestOf(std::string_view key);
  static absl::StatusOr<Digest> ReadDigest(const Json& entry);
  absl::Status Add(const Json& entry);

  std::vector<Key> keys_;
  std::unordered_map<std::string, double> weights_;  // by tenant
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_API_KEYS_H_
