#include "emulator/emulate/setting_list.h"

namespace emu {

SettingList::SettingList(std::string_view text) {
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view item = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    const size_t equals = item.find('=');
    if (equals == std::string_view::npos) {
      Set(item, "");
    } else {
      Set(item.substr(0, equals), item.substr(equals + 1));
    }
  }
}

void SettingList::Set(std::string_view key, std::string_view value) {
  for (auto& [held_key, held_value] : items_) {
    if (held_key != key) continue;
    held_value = value;
    return;
  }
  items_.emplace_back(key, value);
}

std::string SettingList::ToText() const {
  std::string text;
  for (const auto& [key, value] : items_) {
    if (!text.empty()) text += ',';
    text += key + "=" + value;
  }
  return text;
}

}  // namespace emu
