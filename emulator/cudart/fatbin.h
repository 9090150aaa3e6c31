// The container in which nvcc embeds device code: a header, then entries, each PTX text or a cubin
// for one architecture, stored plainly or compressed (zstd by default; LZ4 with
// --compress-mode=speed). The layout is undocumented; what is read here was seen in the output of
// nvcc 13.0 in all of its compression modes.
//
// Pure functions over bytes; every size is checked before it is used. Thread: any.
#ifndef SWITCHYARD_EMULATOR_CUDART_FATBIN_H_
#define SWITCHYARD_EMULATOR_CUDART_FATBIN_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace emu {

enum class FatbinKind { kPtx, kCubin, kOther };

struct FatbinEntry {
  FatbinKind kind = FatbinKind::kOther;
  int architecture = 0;                // 90 for sm_90 and sm_90a
  std::span<const std::byte> payload;  // as stored
  size_t uncompressed_bytes = 0;       // 0: stored plainly
  enum class Compression { kNone, kZstd, kLz4 } compression = Compression::kNone;
};

// The entries of the container at `data`. False, with a sentence, when it is damaged. `data` is the
// start of the container; its own header says how long it is. REQUIRES: at least 16 bytes there.
bool ReadFatbin(const void* data, std::vector<FatbinEntry>* entries, std::string* error);

// The entry's content; the text of PTX ends before its first NUL.
bool ExpandEntry(const FatbinEntry& entry, std::string* content, std::string* error);

// One block of LZ4 (no frame). False when it is damaged or does not give exactly `num_bytes`.
bool DecodeLz4(std::span<const std::byte> block, size_t num_bytes, std::string* out);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_FATBIN_H_
