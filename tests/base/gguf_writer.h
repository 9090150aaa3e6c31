// Makes small GGUF files for tests.
#ifndef SWITCHYARD_TESTS_BASE_GGUF_WRITER_H_
#define SWITCHYARD_TESTS_BASE_GGUF_WRITER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard {

class GgufWriter {
 public:
  void U32(std::string_view key, uint32_t value) {
    Key(key, 4);
    Put(metadata_, value);
  }
  void F32(std::string_view key, float value) {
    Key(key, 6);
    Put(metadata_, value);
  }
  void Bool(std::string_view key, bool value) {
    Key(key, 7);
    Put(metadata_, uint8_t{value});
  }
  void Text(std::string_view key, std::string_view value) {
    Key(key, 8);
    PutText(metadata_, value);
  }
  void Texts(std::string_view key, const std::vector<std::string>& values) {
    Key(key, 9);
    Put(metadata_, uint32_t{8});
    Put(metadata_, uint64_t{values.size()});
    for (const std::string& value : values) PutText(metadata_, value);
  }
  void Ints(std::string_view key, const std::vector<int32_t>& values) { Numbers(key, 5, values); }
  void Floats(std::string_view key, const std::vector<float>& values) { Numbers(key, 6, values); }

  // `shape` as other formats have it, `type` by its number.
  void Tensor(std::string_view name, const std::vector<int64_t>& shape, uint32_t type,
              std::string_view bytes) {
    TensorAt(name, shape, type, data_.size());
    data_.append(bytes);
    data_.resize((data_.size() + 31) / 32 * 32);
  }
  void TensorAt(std::string_view name, const std::vector<int64_t>& shape, uint32_t type,
                uint64_t offset) {
    PutText(tensors_, name);
    Put(tensors_, static_cast<uint32_t>(shape.size()));
    for (auto dim = shape.rbegin(); dim != shape.rend(); ++dim) {
      Put(tensors_, static_cast<uint64_t>(*dim));
    }
    Put(tensors_, type);
    Put(tensors_, offset);
    ++num_tensors_;
  }

  std::string Bytes() const {
    std::string bytes = "GGUF";
    Put(bytes, uint32_t{3});
    Put(bytes, num_tensors_);
    Put(bytes, num_keys_);
    bytes += metadata_ + tensors_;
    bytes.resize((bytes.size() + 31) / 32 * 32);
    return bytes + data_;
  }

 private:
  template <typename T>
  void Numbers(std::string_view key, uint32_t type, const std::vector<T>& values) {
    Key(key, 9);
    Put(metadata_, type);
    Put(metadata_, uint64_t{values.size()});
    for (const T value : values) Put(metadata_, value);
  }
  template <typename T>
  static void Put(std::string& to, T value) {
    to.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  static void PutText(std::string& to, std::string_view text) {
    Put(to, uint64_t{text.size()});
    to.append(text);
  }
  void Key(std::string_view key, uint32_t type) {
    PutText(metadata_, key);
    Put(metadata_, type);
    ++num_keys_;
  }

  std::string metadata_, tensors_, data_;
  uint64_t num_tensors_ = 0, num_keys_ = 0;
};

}  // namespace switchyard

#endif  // SWITCHYARD_TESTS_BASE_GGUF_WRITER_H_
