#include "emulator/nccl/agreement.h"

#include <algorithm>

namespace emu {

bool Agree(Communicator* comm, uint64_t round, const Signature& mine) {
  Segment& segment = comm->segment();
  segment.rank(comm->rank()).signatures.Publish(round, mine);
  segment.RingAll();
  int next = 0;  // ranks before it have come
  const bool all_came = comm->Await([&] {
    while (next < comm->num_ranks() && segment.rank(next).signatures.Has(round)) ++next;
    return next == comm->num_ranks();
  });
  if (!all_came) return false;
  std::vector<Signature> signatures;
  for (int r = 0; r < comm->num_ranks(); ++r) {
    signatures.push_back(segment.rank(r).signatures.Read(round));
  }
  const bool agree = std::all_of(signatures.begin(), signatures.end(),
                                 [&](const Signature& other) { return other == mine; });
  if (!agree) comm->Fail(ncclInvalidUsage, DescribeDisagreement(round, signatures));
  return agree;
}

std::string DescribeDisagreement(uint64_t round, const std::vector<Signature>& signatures) {
  std::string text = "ranks do not agree on collective " + std::to_string(round) + ":";
  std::vector<bool> told(signatures.size(), false);
  for (size_t r = 0; r < signatures.size(); ++r) {
    if (told[r]) continue;
    text += text.back() == ':' ? " rank " : "; rank ";
    text += std::to_string(r);
    for (size_t other = r + 1; other < signatures.size(); ++other) {
      if (signatures[other] != signatures[r]) continue;
      told[other] = true;
      text += ", " + std::to_string(other);
    }
    text += " calls " + Describe(signatures[r]);
  }
  return text;
}

}  // namespace emu
