#include "chop/kernels/simd_tables.h"
// clang-format off: after the tables
#include "chop/kernels/equal_bytes.inl"
#include "chop/kernels/vector.inl"
// clang-format on

// std::log is a library call on doubles, not a template.
extern "C" double log(double);

namespace chop::CHOP_ISA {
namespace {

using V = VectorOf<float>::type;
typedef int32_t Indices __attribute__((vector_size(kLanes * 4)));
typedef uint32_t Bits __attribute__((vector_size(kLanes * 4)));
typedef uint16_t Labels __attribute__((vector_size(kLanes * 2)));

// Vectors of rows at a time: each operation for all of them, so that none waits for the one before.
inline constexpr int kAbreast = 2;
#define CHOP_EACH(i) CHOP_UNROLL for (int i = 0; i < kAbreast; ++i)

// exp(-x) for x >= 0, to about 1e-7 of 1 + |x|: x in powers of two, rounded by a large number that keeps the integer in
// its last bits, a polynomial for the fraction in [-1/2, 1/2] (minimax, relative error 2e-9), the integer added to the
// exponent. What would leave the exponent becomes 2^-125. NaN too.
inline void exp_of_minus(V (&x)[kAbreast]) {
  V rounded[kAbreast], square[kAbreast], low[kAbreast], middle[kAbreast], high[kAbreast];
  CHOP_EACH(i) x[i] = larger_of(x[i] * -1.44269504088896341f, V{} - 125.0f);
  CHOP_EACH(i) rounded[i] = x[i] + 12582912.0f;
  CHOP_EACH(i) x[i] = x[i] - (rounded[i] - 12582912.0f);
  CHOP_EACH(i) square[i] = x[i] * x[i];
  CHOP_EACH(i) low[i] = x[i] * 6.931471824645996e-1f + 1.0f;
  CHOP_EACH(i) middle[i] = x[i] * 5.5503323674201965e-2f + 2.4022647738456726e-1f;
  CHOP_EACH(i) high[i] = x[i] * 1.3398875016719103e-3f + 9.61843691766262e-3f;
  CHOP_EACH(i) high[i] = square[i] * 1.5353361959569156e-4f + high[i];
  CHOP_EACH(i) middle[i] = square[i] * high[i] + middle[i];
  CHOP_EACH(i) low[i] = square[i] * middle[i] + low[i];
  CHOP_EACH(i) x[i] = (V)((Bits)low[i] + ((Bits)rounded[i] << 23));
}

// What is found about each row.
struct Rows {
  alignas(64) int32_t index[kBlock];  // of the largest logit
  alignas(64) float sum[kBlock];      // of exp(z - largest), in [1, classes]
  alignas(64) float gap[kBlock];      // from the label's logit to the largest
};

// A few vectors of rows from s on. special: there may be NaN, which beats all, as in torch, and infinities. Returns
// numbers that are all 0 where nothing is special (and no sum of logits overflows).
template <bool special>
inline V find_largest(const float* column, int classes, V (&best)[kAbreast], int32_t* to) {
  V sum[kAbreast], nothing{};
  Indices index[kAbreast] = {};
  CHOP_EACH(i) best[i] = sum[i] = load(column + i * kLanes);
  for (int c = 1; c < classes; ++c) {
    CHOP_EACH(i) {
      const V v = load(column + static_cast<int64_t>(c) * kBlock + i * kLanes);
      // !(v <= best) is also true for a NaN v; best == best keeps the first NaN.
      const Indices larger = special ? ~(v <= best[i]) & (best[i] == best[i]) : v > best[i];
      index[i] = larger ? Indices{} + c : index[i];
      best[i] = special ? (larger ? v : best[i]) : larger_of(v, best[i]);
      sum[i] += v;
    }
  }
  CHOP_EACH(i) {
    __builtin_memcpy(to + i * kLanes, &index[i], sizeof index[i]);
    nothing += sum[i] - sum[i];
  }
  return nothing;
}

template <bool special>
inline void find_loss(const float* column, int classes, const uint16_t* labels, const V (&best)[kAbreast], float* sums,
                      float* gaps) {
  V total[kAbreast] = {}, gap[kAbreast] = {};
  Indices label[kAbreast];
  CHOP_EACH(i) {
    Labels narrow;
    __builtin_memcpy(&narrow, labels + i * kLanes, sizeof narrow);
    label[i] = __builtin_convertvector(narrow, Indices);
  }
  for (int c = 0; c < classes; ++c) {
    V e[kAbreast], kept[kAbreast];
    CHOP_EACH(i) e[i] = best[i] - load(column + static_cast<int64_t>(c) * kBlock + i * kLanes);
    CHOP_EACH(i) gap[i] = label[i] == c ? e[i] : gap[i];
    if constexpr (special) CHOP_EACH(i) kept[i] = e[i];
    exp_of_minus(e);
    if constexpr (special) CHOP_EACH(i) e[i] = kept[i] == kept[i] ? e[i] : kept[i];
    CHOP_EACH(i) total[i] += e[i];
  }
  CHOP_EACH(i) store(sums + i * kLanes, total[i]);
  CHOP_EACH(i) store(gaps + i * kLanes, gap[i]);
}

// Returns whether the block was free of special numbers.
template <bool want_loss, bool special>
inline bool all_rows(const float* logits, int classes, const uint16_t* labels, Rows* rows) {
  V nothing{};
  for (int s = 0; s < kBlock; s += kAbreast * kLanes) {
    V best[kAbreast];
    nothing += find_largest<special>(logits + s, classes, best, rows->index + s);
    if constexpr (want_loss) find_loss<special>(logits + s, classes, labels + s, best, rows->sum + s, rows->gap + s);
  }
  uint64_t words[kLanes / 2], found = 0;
  __builtin_memcpy(words, &nothing, sizeof nothing);
  for (const uint64_t word : words) found |= word;
  return found == 0;
}

void find_rows(const float* logits, int classes, const uint16_t* labels, bool want_loss, Rows* rows) {
  if (want_loss) {
    if (!all_rows<true, false>(logits, classes, labels, rows)) all_rows<true, true>(logits, classes, labels, rows);
  } else {
    if (!all_rows<false, false>(logits, classes, labels, rows)) all_rows<false, true>(logits, classes, labels, rows);
  }
}

inline double pairwise(const double* v, bool product) {
  double x[4];
  for (int l = 0; l < 4; ++l) x[l] = product ? v[l] * v[l + 4] : v[l] + v[l + 4];
  return product ? (x[0] * x[2]) * (x[1] * x[3]) : (x[0] + x[2]) + (x[1] + x[3]);
}

// Sum over the valid rows of log(sum exp(z - best)) + best - z_label. The products of the sums of 32 rows stay below
// 2^512, so two of them share a logarithm unless there are more than 2^15 classes.
double cross_entropy(Rows* rows, int classes, int valid) {
  for (int s = valid; s < kBlock; ++s) rows->sum[s] = 1.0f, rows->gap[s] = 0.0f;
  double gap[8] = {}, low[8], high[8];
  for (int l = 0; l < 8; ++l) low[l] = high[l] = 1.0;
  for (int s = 0; s < kBlock / 2; s += 8)
    for (int l = 0; l < 8; ++l) {
      low[l] *= static_cast<double>(rows->sum[s + l]);
      high[l] *= static_cast<double>(rows->sum[kBlock / 2 + s + l]);
      gap[l] += static_cast<double>(rows->gap[s + l]) + static_cast<double>(rows->gap[kBlock / 2 + s + l]);
    }
  const double a = pairwise(low, true), b = pairwise(high, true);
  return pairwise(gap, false) + (classes <= 1 << 15 ? log(a * b) : log(a) + log(b));
}

void run(const float* logits, int classes, const uint16_t* labels, int valid, bool want_loss, BlockScore* score) {
  Rows rows;
  find_rows(logits, classes, labels, want_loss, &rows);
  __builtin_memcpy(score->predicted, rows.index, sizeof rows.index);
  score->loss = want_loss ? cross_entropy(&rows, classes, valid) : 0.0;
}

// Few classes: their rows are the bits of a word.
void count_by_masks(const int32_t* index, int classes, const uint16_t* labels, int valid, int64_t* predicted,
                    int64_t* correct) {
  alignas(64) uint8_t found[kBlock], wanted[kBlock];
  for (int s = 0; s < kBlock; ++s) found[s] = static_cast<uint8_t>(index[s]);
  for (int s = 0; s < kBlock; ++s) wanted[s] = static_cast<uint8_t>(labels[s]);
  const uint64_t counted = valid == kBlock ? ~uint64_t{0} : (uint64_t{1} << valid) - 1;
  const uint64_t right = equal_bytes(found, wanted) & counted;
  for (int c = 0; c < classes; ++c) {
    const uint64_t here = equal_bytes(found, static_cast<uint8_t>(c)) & counted;
    predicted[c] += __builtin_popcountll(here);
    correct[c] += __builtin_popcountll(here & right);
  }
}

double run_counts(const float* logits, int classes, const uint16_t* labels, int valid, bool want_loss,
                  int64_t* predicted, int64_t* correct) {
  Rows rows;
  find_rows(logits, classes, labels, want_loss, &rows);
  if (kHasEqualBytes && classes <= 32) {
    count_by_masks(rows.index, classes, labels, valid, predicted, correct);
  } else {
    for (int s = 0; s < valid; ++s) {
      const int32_t index = rows.index[s];
      ++predicted[index];
      correct[index] += index == labels[s];
    }
  }
  return want_loss ? cross_entropy(&rows, classes, valid) : 0.0;
}

}  // namespace

extern const ClassifyKernels classify;
const ClassifyKernels classify = {run, run_counts};

}  // namespace chop::CHOP_ISA
