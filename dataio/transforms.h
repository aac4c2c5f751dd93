// Feature transforms: fitted once per run on the training rows, shipped with the version, applied
// alike by trainer and serving node.
//
//   number  -> (clip(x, low, high) - mean) / scale; then 1 or 0 for "missing" when training had missing
//   values text    -> index into the values, 0 for unknown and missing
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <vector>

#include "base/result.h"
#include "dataio/table.h"
#include "rekindle/v1/job.pb.h"
#include "rekindle/v1/model.pb.h"

namespace rekindle::dataio {

// Memory that starts on a cache line, so that vector loads and tensors over it are aligned.
template <typename T>
struct AlignedAllocator {
  using value_type = T;
  static constexpr std::align_val_t kAlign{64};
  AlignedAllocator() = default;
  template <typename U>
  AlignedAllocator(const AlignedAllocator<U>&) {}
  T* allocate(size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), kAlign)); }
  void deallocate(T* p, size_t) { ::operator delete(p, kAlign); }
  bool operator==(const AlignedAllocator&) const { return true; }
};
template <typename T>
using AlignedVector = std::vector<T, AlignedAllocator<T>>;

// Model inputs. numeric[row * numeric_width + j], categorical[row * categorical_width + j].
struct Encoded {
  size_t rows = 0;
  size_t numeric_width = 0;
  size_t categorical_width = 0;
  AlignedVector<float> numeric;
  AlignedVector<int64_t> categorical;
};

// Inputs of a model with these transforms.
size_t numeric_width(const v1::Transforms& transforms);                  // values and indicators
std::vector<int64_t> category_counts(const v1::Transforms& transforms);  // per column, bucket 0 included

// A category seen less often shares bucket 0 with the unknown ones: a weight fitted on a handful of rows
// is noise, and so the unknown bucket is fitted on rows that really were rare.
inline constexpr uint64_t kCategoryRowsMin = 5;
// More values than this are an id, not a category: the most frequent are kept.
inline constexpr size_t kCategoriesMax = 10000;

struct FitOptions {
  uint64_t category_rows_min = kCategoryRowsMin;
  size_t categories_max = kCategoriesMax;
  // Values are clipped to these quantiles of the training rows (share and 1 - share), not to their least
  // and greatest: what a model says at the edge of what it has seen rests on a handful of rows.
  double clip_share = 0;
};

// Statistics of the rows of `training`. invalid_argument: missing column or wrong type;
// failed_precondition: no rows.
Result<v1::Transforms> fit(const v1::Data& data, const Table& training, const FitOptions& options = {});

// Transforms made ready for many tables. Immutable, so it may be shared by threads.
class Encoder {
 public:
  static Result<Encoder> make(v1::Transforms transforms);  // invalid_argument when they are not sound
  Encoder(Encoder&&) noexcept;
  Encoder& operator=(Encoder&&) noexcept;
  ~Encoder();

  // Columns that the transforms do not name are ignored. `out` is overwritten; its memory is reused.
  Status encode(const Table& table, Encoded& out) const;
  const v1::Transforms& transforms() const;

 private:
  struct Impl;
  explicit Encoder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Once: Encoder::make and encode.
Result<Encoded> apply(const v1::Transforms& transforms, const Table& table);

// Rows of `from` in the order of `rows`; `out` is overwritten, its memory reused.
void gather(const Encoded& from, std::span<const int64_t> rows, Encoded& out);
Encoded gather(const Encoded& from, std::span<const int64_t> rows);
void gather(std::span<const double> from, std::span<const int64_t> rows, AlignedVector<float>& out);
// Rows [begin, end), for evaluation.
Encoded slice(const Encoded& from, size_t begin, size_t end);

}  // namespace rekindle::dataio
