#include "coordinator/gateway/api_keys.h"

#include <absl/strings/escaping.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "coordinator/gateway/json_fields.h"
#include "coordinator/gateway/scheduling_fields.h"

namespace switchyard::gateway {
namespace {

absl::Status Wrong(std::string_view what) { return absl::InvalidArgumentError(std::string(what)); }

// What a reader of JSON says of malformed text, up to where it begins to quote.
std::string WithoutQuotes(std::string_view message) {
  message = message.substr(0, message.find("; last read"));
  return std::string(message.substr(0, message.find_first_of("'\"")));
}

bool IsVisible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F; });
}

}  // namespace

ApiKeys::Digest ApiKeys::DigestOf(std::string_view key) {
  static_assert(sizeof(Digest) == SHA256_DIGEST_LENGTH);
  Digest digest;
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest.data());
  return digest;
}

absl::StatusOr<ApiKeys::Digest> ApiKeys::ReadDigest(const Json& entry) {
  const Json* key = FindField(entry, "key");
  const Json* hex = FindField(entry, "sha256");
  if ((key == nullptr) == (hex == nullptr)) return Wrong("it must have 'key' or 'sha256'");
  if (key != nullptr) {
    if (!key->is_string()) return Wrong("'key' must be a string");
    const auto& text = key->get_ref<const std::string&>();
    if (text.size() < kMinKeyBytes || text.size() > kMaxKeyBytes || !IsVisible(text)) {
      return Wrong(fmt::format("'key' must have {} to {} visible ASCII characters", kMinKeyBytes,
                               kMaxKeyBytes));
    }
    return DigestOf(text);
  }
  constexpr std::string_view kShape = "'sha256' must have 64 hex digits";
  Digest digest;
  if (!hex->is_string()) return Wrong(kShape);
  const auto& digits = hex->get_ref<const std::string&>();
  const bool is_hex = std::all_of(digits.begin(), digits.end(),
                                  [](unsigned char c) { return std::isxdigit(c) != 0; });
  if (digits.size() != 2 * digest.size() || !is_hex) return Wrong(kShape);
  const std::string bytes = absl::HexStringToBytes(digits);
  std::copy(bytes.begin(), bytes.end(), digest.begin());
  return digest;
}

absl::Status ApiKeys::Add(const Json& entry) {
  if (!entry.is_object()) return Wrong("it must be an object");
  for (const auto& [name, value] : entry.items()) {
    if (name != "key" && name != "sha256" && name != "tenant" && name != "weight") {
      return Wrong("it may have 'key' or 'sha256', 'tenant' and 'weight' only");
    }
  }
  Key key;
  SY_ASSIGN_OR_RETURN(key.digest, ReadDigest(entry));
  SY_RETURN_IF_ERROR(ReadString(entry, "tenant", &key.tenant));
  if (key.tenant.empty() || key.tenant.size() > SchedulingFields::kMaxTenantBytes ||
      !IsVisible(key.tenant)) {
    return Wrong(fmt::format("'tenant' must have 1 to {} visible ASCII characters",
                             SchedulingFields::kMaxTenantBytes));
  }
  const Json* given = FindField(entry, "weight");
  if (given != nullptr && !given->is_number()) return Wrong("'weight' must be a number");
  const double weight = given != nullptr ? given->get<double>() : 1;
  if (!(weight >= kMinWeight && weight <= kMaxWeight)) {
    return Wrong(fmt::format("'weight' must be from {} to {}", kMinWeight, kMaxWeight));
  }
  if (weights_.emplace(key.tenant, weight).first->second != weight) {
    return Wrong("its tenant has another weight in an entry before it");
  }
  const bool is_double = std::any_of(keys_.begin(), keys_.end(),
                                     [&](const Key& other) { return other.digest == key.digest; });
  if (is_double) return Wrong("its key is that of an entry before it");
  keys_.push_back(std::move(key));
  return absl::OkStatus();
}

absl::StatusOr<ApiKeys> ApiKeys::Parse(std::string_view text) {
  const absl::StatusOr<Json> json = ParseJson(text, /*max_depth=*/4);
  if (!json.ok()) return Wrong(WithoutQuotes(Message(json.status())));
  const Json* list = json->is_object() ? FindField(*json, "keys") : nullptr;
  if (list == nullptr || !list->is_array() || json->size() != 1) {
    return Wrong("it must be an object with a list 'keys', and nothing else");
  }
  if (list->empty() || list->size() > kMaxKeys) {
    return Wrong(fmt::format("'keys' must have 1 to {} entries", kMaxKeys));
  }
  ApiKeys keys;
  for (size_t i = 0; i < list->size(); ++i) {
    const absl::Status status = keys.Add((*list)[i]);
    if (!status.ok()) return Wrong(fmt::format("keys[{}]: {}", i, Message(status)));
  }
  return keys;
}

const std::string* ApiKeys::TenantOf(std::string_view key) const {
  const Digest digest = DigestOf(key);
  size_t found = 0;  // its place, from 1
  for (size_t i = 0; i < keys_.size(); ++i) {
    const bool same = CRYPTO_memcmp(keys_[i].digest.data(), digest.data(), digest.size()) == 0;
    found |= (i + 1) & (size_t{0} - size_t{same});
  }
  return found == 0 ? nullptr : &keys_[found - 1].tenant;
}

double ApiKeys::WeightOf(std::string_view tenant) const {
  const auto found = weights_.find(std::string(tenant));
  return found == weights_.end() ? 1 : found->second;
}

}  // namespace switchyard::gateway
