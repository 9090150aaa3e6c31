// The container of device code: built here byte by byte, whole and damaged.
#include "emulator/cudart/fatbin.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <cstring>

namespace emu {
namespace {

struct EntryFields {
  uint16_t kind = 1;
  uint32_t architecture = 90;
  uint64_t flags = 0x11;
  uint64_t uncompressed_bytes = 0;
};

template <typename T>
void Put(std::string* bytes, size_t at, T value) {
  std::memcpy(bytes->data() + at, &value, sizeof value);
}

std::string Entry(const EntryFields& fields, const std::string& payload) {
  std::string padded = payload;
  padded.resize((payload.size() + 7) / 8 * 8);
  std::string header(64, '\0');
  Put(&header, 0, fields.kind);
  Put<uint32_t>(&header, 4, 64);
  Put<uint64_t>(&header, 8, padded.size());
  if (fields.flags & 0xA000) Put<uint32_t>(&header, 16, static_cast<uint32_t>(payload.size()));
  Put(&header, 28, fields.architecture);
  Put(&header, 40, fields.flags);
  Put(&header, 56, fields.uncompressed_bytes);
  return header + padded;
}

std::string Container(const std::string& body) {
  std::string header(16, '\0');
  Put<uint32_t>(&header, 0, 0xBA55ED50);
  Put<uint16_t>(&header, 4, 1);
  Put<uint16_t>(&header, 6, 16);
  Put<uint64_t>(&header, 8, body.size());
  return header + body;
}

const std::string kPtx = ".version 9.0\n.target sm_90a\n// repeat repeat repeat repeat repeat\n";

std::string Zstd(const std::string& text) {
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3));
  return packed;
}

TEST(FatbinTest, PlainAndZstdEntriesGiveTheSameText) {
  const std::string container =
      Container(Entry({.kind = 2}, "cubin") + Entry({}, kPtx) +
                Entry({.flags = 0x8011, .uncompressed_bytes = kPtx.size()}, Zstd(kPtx)));
  std::vector<FatbinEntry> entries;
  std::string error;
  ASSERT_TRUE(ReadFatbin(container.data(), &entries, &error)) << error;
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].kind, FatbinKind::kCubin);
  EXPECT_EQ(entries[1].architecture, 90);
  for (const size_t i : {1, 2}) {
    std::string text;
    ASSERT_TRUE(ExpandEntry(entries[i], &text, &error)) << error;
    EXPECT_EQ(text, kPtx);
  }
}

TEST(FatbinTest, Lz4MatchesMayOverlapWhatTheyAppend) {
  // "ab", then 10 bytes from 2 back, then the literals "xyz".
  const unsigned char block[] = {0x26, 'a', 'b', 2, 0, 0x30, 'x', 'y', 'z'};
  std::string text;
  ASSERT_TRUE(DecodeLz4(std::as_bytes(std::span(block)), 15, &text));
  EXPECT_EQ(text, "ababababababxyz");
  EXPECT_FALSE(DecodeLz4(std::as_bytes(std::span(block)), 14, &text)) << "more than promised";
  EXPECT_FALSE(DecodeLz4(std::as_bytes(std::span(block)).first(4), 15, &text)) << "cut off";
  const unsigned char before_start[] = {0x10, 'a', 2, 0};
  EXPECT_FALSE(DecodeLz4(std::as_bytes(std::span(before_start)), 5, &text));
}

TEST(FatbinTest, DamageIsFoundNotFollowed) {
  std::vector<FatbinEntry> entries;
  std::string error;
  std::string wrong_magic = Container(Entry({}, kPtx));
  wrong_magic[0] ^= 1;
  EXPECT_FALSE(ReadFatbin(wrong_magic.data(), &entries, &error));
  std::string too_long = Container(Entry({}, kPtx));
  Put<uint64_t>(&too_long, 16 + 8, uint64_t{1} << 40);
  EXPECT_FALSE(ReadFatbin(too_long.data(), &entries, &error));
  std::string half = Container(Entry({}, kPtx).substr(0, 20));
  EXPECT_FALSE(ReadFatbin(half.data(), &entries, &error));

  entries.clear();
  std::string packed = Zstd(kPtx);
  packed[packed.size() / 2] = static_cast<char>(packed[packed.size() / 2] ^ 0x55);
  packed.resize(packed.size() - 4);
  const std::string container =
      Container(Entry({.flags = 0x8011, .uncompressed_bytes = kPtx.size()}, packed));
  ASSERT_TRUE(ReadFatbin(container.data(), &entries, &error)) << error;
  std::string text;
  EXPECT_FALSE(ExpandEntry(entries[0], &text, &error));
}

}  // namespace
}  // namespace emu
