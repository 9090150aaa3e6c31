// Routing on a CPU: the obvious walks over places and slots.
#include <algorithm>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "kernels/cpu/moe.h"
#include "kernels/cpu/parallel_rows.h"

namespace switchyard::kernels::cpu {
namespace {

std::byte* RowAt(const TensorView& view, int64_t row) {
  return static_cast<std::byte*>(view.data) + row * view.row_stride * SizeOf(view.dtype);
}

void CopyRow(const TensorView& x, int64_t from, const TensorView& y, int64_t to) {
  std::memcpy(RowAt(y, to), RowAt(x, from), static_cast<size_t>(y.RowElements() * SizeOf(y.dtype)));
}

void CheckIds(const char* op, std::span<const int32_t> ids, int64_t token, int64_t num_experts) {
  for (size_t j = 0; j < ids.size(); ++j) {
    SY_CHECK(ids[j] >= 0 && ids[j] < num_experts && (j == 0 || ids[j - 1] < ids[j]))
        << op << ": ids[" << token << ", " << j << "]: " << ids[j];
  }
}

// The slots of one place; none where it has no token.
std::span<const int32_t> SlotsOf(const RouteTokensArgs& args, int64_t place) {
  const std::span<const int32_t> ids(args.ids.row<const int32_t>(place),
                                     static_cast<size_t>(args.ids.dims[1]));
  if (ids[0] == -1 || (!args.slots.empty() && args.slots[place] == kNoSlot)) return {};
  CheckIds("RouteTokens", ids, place, args.rank_of_expert.rows());
  return ids;
}

int32_t At(const TensorView& values, int64_t index) {
  return static_cast<const int32_t*>(values.data)[index];
}

// Rows of each local expert, then where they begin.
void MakeSpans(const RouteTokensArgs& args) {
  const int64_t local = args.expert_rows.rows();
  const auto span = [&](int64_t i) { return args.spans.row<int32_t>(i); };
  for (int64_t e = 0; e < local; ++e) span(e)[1] = 0;
  for (int64_t place = 0; place < args.ids.rows(); ++place) {
    for (const int32_t id : SlotsOf(args, place)) {
      if (At(args.rank_of_expert, id) == args.rank) ++span(At(args.local_index_of_expert, id))[1];
    }
  }
  auto begin = static_cast<int32_t>(args.own_tokens);
  for (int64_t e = 0; e < local; ++e) {
    span(e)[0] = begin;
    begin += span(e)[1];
    static_cast<int32_t*>(args.expert_rows.data)[e] += span(e)[1];
  }
  span(local)[0] = 0;
  span(local)[1] = static_cast<int32_t>(args.own_tokens);
}

// Where the outputs for this rank's tokens will be in what the ranks hand back.
void MakeRowOf(const RouteTokensArgs& args) {
  const int64_t places = args.ids.rows() / args.num_ranks;
  for (int64_t t = 0; t < args.own_tokens; ++t) {
    const std::span<const int32_t> ids = SlotsOf(args, args.rank * places + t);
    if (ids.empty()) std::fill_n(args.row_of.row<int32_t>(t), args.row_of.dims[1], -1);
    for (size_t j = 0; j < ids.size(); ++j) {
      const int32_t rank = At(args.rank_of_expert, ids[j]);
      const auto index =
          std::count_if(ids.begin(), ids.begin() + static_cast<int64_t>(j),
                        [&](int32_t id) { return At(args.rank_of_expert, id) == rank; });
      args.row_of.row<int32_t>(t)[j] =
          static_cast<int32_t>((rank * places + t) * args.returned_slots + index);
    }
  }
}

// What goes to one rank: where it begins, and how far it has come.
struct Parcel {
  int32_t rows = 0, slots = 0;          // of all tokens
  int32_t next_row = 0, next_slot = 0;  // of the next token
  int32_t last_token = -1, listed = 0;  // of the newest row
};

std::vector<Parcel> CountParcels(const DispatchTokensArgs& args) {
  std::vector<Parcel> parcels(static_cast<size_t>(args.counts.rows()));
  for (int64_t t = 0; t < args.ids.rows(); ++t) {
    const std::span<const int32_t> ids(args.ids.row<const int32_t>(t),
                                       static_cast<size_t>(args.ids.dims[1]));
    CheckIds("DispatchTokens", ids, t, args.rank_of_expert.rows());
    for (const int32_t id : ids) {
      Parcel& parcel = parcels[static_cast<size_t>(At(args.rank_of_expert, id))];
      parcel.rows += parcel.last_token != t ? 1 : 0;
      parcel.last_token = static_cast<int32_t>(t);
      ++parcel.slots;
    }
  }
  int32_t row = 0, slot = 0;
  for (Parcel& parcel : parcels) {
    parcel.next_row = row;
    parcel.next_slot = slot;
    parcel.last_token = -1;
    row += parcel.rows;
    slot += parcel.slots;
  }
  return parcels;
}

// The experts of one received row.
std::span<const int32_t> ListOf(const ReceiveTokensArgs& args, int64_t row) {
  const std::span<const int32_t> all(args.experts.row<const int32_t>(row),
                                     static_cast<size_t>(args.experts.dims[1]));
  const auto list = all.first(static_cast<size_t>(std::ranges::find(all, -1) - all.begin()));
  CheckIds("ReceiveTokens", list, row, args.expert_rows.rows());
  return list;
}

}  // namespace

void DispatchTokens(const CpuContext& /*cpu*/, const DispatchTokensArgs& args) {
  std::vector<Parcel> parcels = CountParcels(args);
  auto* const tokens = static_cast<int32_t*>(args.tokens.data);
  const int64_t width = args.experts.dims[1];
  for (int64_t t = 0; t < args.ids.rows(); ++t) {
    for (int64_t j = 0; j < args.ids.dims[1]; ++j) {
      const int32_t id = args.ids.row<const int32_t>(t)[j];
      Parcel& parcel = parcels[static_cast<size_t>(At(args.rank_of_expert, id))];
      if (parcel.last_token != t) {
        parcel.last_token = static_cast<int32_t>(t);
        parcel.listed = 0;
        std::fill_n(args.experts.row<int32_t>(parcel.next_row), width, -1);
        tokens[parcel.next_row++] = static_cast<int32_t>(t);
      }
      SY_CHECK_LT(parcel.listed, width) << "DispatchTokens: experts of token " << t;
      args.experts.row<int32_t>(parcel.next_row - 1)[parcel.listed++] =
          At(args.local_index_of_expert, id);
      args.row_of.row<int32_t>(t)[j] = parcel.next_slot++;
    }
  }
  for (size_t r = 0; r < parcels.size(); ++r) {
    auto* const count = args.counts.row<int32_t>(static_cast<int64_t>(r));
    count[0] = parcels[r].rows;
    count[1] = parcels[r].slots;
  }
  std::fill(tokens + parcels.back().next_row, tokens + args.tokens.rows(), -1);
}

void ReceiveTokens(const CpuContext& /*cpu*/, const ReceiveTokensArgs& args) {
  const int64_t local = args.expert_rows.rows(), rows = args.sources.rows();
  const auto own = static_cast<int32_t>(args.own_tokens);
  std::vector<int32_t> next(static_cast<size_t>(local) + 1);
  for (int64_t row = 0; row < args.experts.rows(); ++row) {
    for (const int32_t expert : ListOf(args, row)) ++next[static_cast<size_t>(expert) + 1];
  }
  for (int64_t e = 0; e < local; ++e) {
    auto* const span = args.spans.row<int32_t>(e);
    const int32_t count = next[static_cast<size_t>(e) + 1];
    next[static_cast<size_t>(e) + 1] += next[static_cast<size_t>(e)];
    span[0] = own + next[static_cast<size_t>(e)];
    span[1] = count;
    static_cast<int32_t*>(args.expert_rows.data)[e] += count;
  }
  SY_CHECK_EQ(int64_t{next.back()}, rows) << "ReceiveTokens: sources";
  args.spans.row<int32_t>(local)[0] = 0;
  args.spans.row<int32_t>(local)[1] = own;
  auto* returned = static_cast<int32_t*>(args.returned.data);
  for (int64_t row = 0; row < args.experts.rows(); ++row) {
    for (const int32_t expert : ListOf(args, row)) {
      const int32_t at = next[static_cast<size_t>(expert)]++;
      static_cast<int32_t*>(args.sources.data)[at] = static_cast<int32_t>(row);
      *returned++ = at;
    }
  }
}

void PlaceTokens(const CpuContext& /*cpu*/, const PlaceTokensArgs& args) {
  for (int64_t s = 0; s < args.places_x.rows(); ++s) {
    const bool has_row = s < args.x.rows();
    if (has_row) CopyRow(args.x, s, args.places_x, s);
    if (has_row && (args.slots.empty() || args.slots[s] != kNoSlot)) {
      CopyRow(args.ids, s, args.places_ids, s);
    } else {
      std::fill_n(args.places_ids.row<int32_t>(s), args.places_ids.dims[1], -1);
    }
  }
}

void RouteTokens(const CpuContext& /*cpu*/, const RouteTokensArgs& args) {
  MakeSpans(args);
  auto* const source = static_cast<int32_t*>(args.places.data);
  auto* const returned = static_cast<int32_t*>(args.returned.data);
  const bool alone = args.num_ranks == 1;
  const int64_t first = args.rank * (args.ids.rows() / args.num_ranks);
  std::fill_n(source, args.places.rows(), -1);
  for (int64_t t = 0; t < args.own_tokens; ++t) source[t] = static_cast<int32_t>(first + t);
  if (!alone) std::fill_n(returned, args.returned.rows(), -1);
  std::vector<int32_t> next(static_cast<size_t>(args.expert_rows.rows()));
  for (size_t e = 0; e < next.size(); ++e) next[e] = args.spans.row<int32_t>(int64_t(e))[0];
  for (int64_t place = 0; place < args.ids.rows(); ++place) {
    const std::span<const int32_t> ids = SlotsOf(args, place);
    if (alone && ids.empty()) {
      std::fill_n(args.row_of.row<int32_t>(place), args.row_of.dims[1], -1);
    }
    int64_t index = 0;
    for (size_t j = 0; j < ids.size(); ++j) {
      if (At(args.rank_of_expert, ids[j]) != args.rank) continue;
      const int32_t row = next[static_cast<size_t>(At(args.local_index_of_expert, ids[j]))]++;
      source[row] = static_cast<int32_t>(place);
      if (alone) args.row_of.row<int32_t>(place)[j] = row;
      if (alone) continue;
      SY_CHECK_LT(index, args.returned_slots) << "RouteTokens: slots of place " << place;
      returned[place * args.returned_slots + index++] = row;
    }
  }
  if (!alone) MakeRowOf(args);
}

void SelectRows(const CpuContext& cpu, const SelectRowsArgs& args) {
  const int64_t row_bytes = args.y.RowElements() * SizeOf(args.y.dtype);
  ForRows(cpu, args.y.rows(), 2 * row_bytes, [&](int64_t i) {
    const int32_t row = At(args.rows, i);
    if (row == -1) return;
    SY_CHECK(row >= 0 && row < args.x.rows())
        << "SelectRows: rows[" << i << "]: expected below " << args.x.rows() << ", got " << row;
    CopyRow(args.x, row, args.y, i);
  });
}

}  // namespace switchyard::kernels::cpu
