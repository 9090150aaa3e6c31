// The text form of the emulator's settings: "key=value,key=value", as an environment variable holds
// it. What the keys mean is the business of the libraries that read them.
#ifndef SWITCHYARD_EMULATOR_EMULATE_SETTING_LIST_H_
#define SWITCHYARD_EMULATOR_EMULATE_SETTING_LIST_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace emu {

class SettingList {
 public:
  SettingList() = default;
  explicit SettingList(std::string_view text);

  // Replaces the key's value, or adds the key at the end.
  void Set(std::string_view key, std::string_view value);

  std::string ToText() const;

 private:
  std::vector<std::pair<std::string, std::string>> items_;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_EMULATE_SETTING_LIST_H_
